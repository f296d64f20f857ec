import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'

/** The widths of a phone and of a desktop. */
export const widths = [375, 1280]

/**
 * Takes pictures of a page in each language, light and dark, on a phone and on a desktop, if the variable
 * SCREENSHOTS names a folder. The page is loaded again for each language.
 * @param {import('playwright-core').Page} page
 * @param {string} name
 * @param {string} address of the console
 */
export async function shoot(page, name, address) {
  if (!process.env.SCREENSHOTS) return
  const context = page.context()
  const [before, size] = [await context.cookies(), page.viewportSize()]
  for (const lang of ['zh', 'en']) {
    await context.addCookies([{ name: 'lang', value: lang, url: address }])
    await page.goto(page.url())
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme })
      for (const width of widths) {
        await page.setViewportSize({ width, height: 900 })
        await shot(page, `${name}-${lang}-${colorScheme}-${width}`)
      }
    }
  }
  await context.clearCookies({ name: 'lang' })
  await context.addCookies(before.filter(({ name }) => name === 'lang'))
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize(size)
  await page.goto(page.url())
}

/**
 * Takes a picture of a page as it is now, if the variable SCREENSHOTS names a folder.
 * @param {import('playwright-core').Page} page
 * @param {string} name
 */
export async function shot(page, name) {
  const folder = process.env.SCREENSHOTS
  if (!folder) return
  await mkdir(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true, animations: 'disabled' })
}
