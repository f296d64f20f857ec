/** Takes pictures for the documentation. `npm run screenshots` writes them into docs/ of the repository. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { repository } from '../../scripts/programs.ts'

/** Takes a screenshot. It is saved only with SCREENSHOTS=1, so that tests do not change the repository. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const png = await page.screenshot({ animations: 'disabled' })
  assert.ok(png.length > 20_000, `${name} is almost empty`)
  if (process.env.SCREENSHOTS) await writeFile(join(repository, `docs/miniprogram/${name}.png`), png)
}
