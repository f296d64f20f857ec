/** Checks that a page can be used: with a screen reader, on a phone, with the keyboard alone, and behind a proxy. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { shot } from './shots.mjs'

const axe = readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/**
 * Checks the page as it is now, with all its details open. Afterwards details are as before. What is kept new by a
 * script is left as it is meanwhile.
 * @param {import('playwright-core').Page} page
 * @param {string} address of the console
 */
export async function checkPage(page, address) {
  await page.evaluate(hold, true)
  await page.evaluate(open, true)
  await checkLinks(page, address)
  if (!process.env.PREFIX) {
    // What is behind a proxy looks the same.
    const size = page.viewportSize()
    await page.emulateMedia({ colorScheme: 'dark' })
    await page.setViewportSize({ width: 375, height: 812 })
    await checkWidth(page)
    await checkAccess(page, 'dark, at 375 px')
    await page.emulateMedia({ colorScheme: 'light' })
    await page.setViewportSize({ width: 1280, height: 900 })
    await checkAccess(page, 'light, at 1280 px')
    await checkLabels(page)
    await checkKeyboard(page)
    await page.setViewportSize(size)
  }
  await page.evaluate(open, false)
  await page.evaluate(hold, false)
}

/**
 * Checks a page of people's phones as it is now: axe-core finds nothing serious, and nothing is wider than the screen,
 * in light and dark, on a narrow and a wide phone. It takes pictures if SCREENSHOTS names a folder.
 * @param {import('playwright-core').Page} page
 * @param {string} name of the pictures
 */
export async function checkPhone(page, name) {
  const size = page.viewportSize()
  for (const width of [320, 430])
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme })
      await page.setViewportSize({ width, height: 812 })
      await checkWidth(page)
      await checkAccess(page, `${name}, ${colorScheme}, at ${width} px`)
      await shot(page, `${name}-${colorScheme}-${width}`)
    }
  await page.setViewportSize(size)
}

/** Keeps scripts from replacing elements, or lets them again. Runs in the browser. */
function hold(on) {
  window.replaceWith ??= Element.prototype.replaceWith
  Element.prototype.replaceWith = on ? () => {} : window.replaceWith
}

/** Opens all details of the document, or closes those that were closed before. Runs in the browser. */
function open(all) {
  for (const details of document.querySelectorAll('details')) {
    if (all && !details.open) details.setAttribute('data-opened', '')
    if (all || details.hasAttribute('data-opened')) details.open = all
    if (!all) details.removeAttribute('data-opened')
  }
}

/** All that the page leads to, or loads, is below its address. */
async function checkLinks(page, address) {
  const links = await page.evaluate(() => {
    const attributes = ['href', 'src', 'action', 'formaction']
    const list = []
    for (const attribute of attributes)
      for (const element of document.querySelectorAll(`[${attribute}]`))
        list.push(new URL(element.getAttribute(attribute), document.baseURI).href)
    return list
  })
  const inside = (link) => link.startsWith('data:') || link.startsWith(`${address}/`)
  assert.deepEqual(
    links.filter((link) => !inside(link)),
    [],
    `${page.url()} leads out of the console`,
  )
}

/** Nothing but tables and the like, which scroll by themselves, is wider than the window. */
async function checkWidth(page) {
  const { wide, by } = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement
    const beyond = [...document.body.querySelectorAll('*')].filter(
      (element) =>
        !element.closest('.scroll') &&
        (element.getBoundingClientRect().right > clientWidth ||
          element.scrollWidth > element.clientWidth + 1),
    )
    const name = (element) => `${element.localName}.${element.className} ${element.textContent.slice(0, 40)}`
    return { wide: scrollWidth > clientWidth, by: beyond.slice(0, 5).map(name) }
  })
  assert.ok(!wide, `${page.url()} scrolls sideways because of ${by.join(', ')}`)
}

/** axe-core has no serious finding. */
async function checkAccess(page, how) {
  const cdp = await page.context().newCDPSession(page)
  try {
    // The policy of the page does not apply to what the debugger evaluates.
    const evaluate = async (expression) => {
      const answer = await cdp.send('Runtime.evaluate', {
        expression,
        awaitPromise: true,
        returnByValue: true,
      })
      if (answer.exceptionDetails) throw new Error(JSON.stringify(answer.exceptionDetails))
      return answer.result.value
    }
    await evaluate(`${await axe}; undefined`)
    const { violations } = await evaluate(`axe.run({ resultTypes: ['violations'] })`)
    const serious = violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, help, nodes }) => nodes.map(({ target, html }) => `${id}: ${help}: ${target} ${html}`))
    assert.deepEqual(serious, [], `axe-core, on ${page.url()}, ${how}`)
  } finally {
    await cdp.detach()
  }
}

/** Each field has a label that says what to enter. */
async function checkLabels(page) {
  const unlabelled = await page.evaluate(() => {
    const fields = [...document.querySelectorAll('input:not([type=hidden]), select, textarea')]
    const named = (field) =>
      [...(field.labels ?? [])].some((label) => label.textContent.trim()) ||
      field.hasAttribute('aria-label') ||
      field.hasAttribute('aria-labelledby')
    return fields.filter((field) => !named(field)).map((field) => field.outerHTML)
  })
  assert.deepEqual(unlabelled, [], `fields of ${page.url()} without a label`)
}

/** The Tab key reaches all that can be used, in the order of the page, and shows where it is. */
async function checkKeyboard(page) {
  const expected = await page.evaluate(() => {
    const all = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]'
    const usable = [...document.querySelectorAll(all)].filter(
      (element) =>
        !element.disabled &&
        element.tabIndex >= 0 &&
        element.checkVisibility({ visibilityProperty: true }) &&
        // Tab reaches one of a group, and the arrow keys the others.
        !(element.type === 'radio' && !isOfGroup(element)),
    )
    function isOfGroup(radio) {
      const group = [...document.querySelectorAll(`input[type=radio]`)].filter(
        ({ name }) => name === radio.name,
      )
      return radio === (group.find(({ checked }) => checked) ?? group[0])
    }
    window.usable = usable
    return usable.map((element) => element.outerHTML.slice(0, 120))
  })
  const reached = []
  const dark = new Set()
  for (let presses = 0; presses < 5 * expected.length + 40; presses++) {
    await page.keyboard.press('Tab')
    const { index, outlined } = await page.evaluate(() => {
      const element = document.activeElement
      return {
        index: window.usable.indexOf(element),
        outlined: getComputedStyle(element).outlineStyle !== 'none',
      }
    })
    if (index < 0 || index === reached.at(-1)) continue // what scrolls, and the parts of a date
    if (index === reached[0]) break
    if (!outlined) dark.add(expected[index])
    reached.push(index)
  }
  const first = Math.max(reached.indexOf(0), 0) // a page may begin with the focus elsewhere
  const order = [...reached.slice(first), ...reached.slice(0, first)].map((index) => expected[index])
  assert.deepEqual(order, expected, `the order of the Tab key on ${page.url()}`)
  assert.deepEqual([...dark], [], `where the focus is cannot be seen on ${page.url()}`)
}
