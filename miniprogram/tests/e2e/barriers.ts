/** Searches a page for what keeps people from using it: faint text, controls without a name, wrong roles. */
import axe from 'axe-core'
import type { Page } from 'playwright-core'

/** Returns the serious and critical findings of axe. */
export async function barriers(page: Page): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(axe.source)
  const found = await page.evaluate(async () => {
    const { violations } = await (globalThis as unknown as { axe: typeof axe }).axe.run({
      resultTypes: ['violations'], // the elements of other results are not wanted
    })
    return violations.flatMap(({ id, impact, nodes }) =>
      nodes.map((node) => ({ impact, text: `${id}: ${node.html} ${node.failureSummary}` })),
    )
  })
  return found.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ text }) => text)
}
