/** Pictures for the documentation: `npm run screenshots` writes them into the repository's docs/. */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { repository } from './world.ts'

let folder: Promise<string> | undefined

/** Takes one; without SCREENSHOTS=1 it goes to a temporary folder, so that tests leave the repository as it is. */
export async function screenshot(page: Page, name: string): Promise<void> {
  folder ??= process.env.SCREENSHOTS
    ? Promise.resolve(join(repository, 'docs/miniprogram'))
    : mkdtemp(join(tmpdir(), 'addcard-screens-'))
  await page.screenshot({ path: join(await folder, `${name}.png`), animations: 'disabled' })
}
