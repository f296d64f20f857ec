/** Pictures for the documentation: `npm run screenshots` writes them into the repository's docs/. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { repository } from '../../scripts/programs.ts'

/** Takes one, and keeps it with SCREENSHOTS=1 only: tests leave the repository as it is. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const png = await page.screenshot({ animations: 'disabled' })
  assert.ok(png.length > 20_000, `${name} shows next to nothing`)
  if (process.env.SCREENSHOTS) await writeFile(join(repository, `docs/miniprogram/${name}.png`), png)
}
