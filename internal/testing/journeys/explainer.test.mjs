/** The explainer's page, which is one file: opened from the disk, without a network. See web/explain. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { checkPage } from './checks.mjs'
import { launchBrowser } from './harness.mjs'
import { patience } from './sandbox.mjs'
import { watch } from './watch.mjs'

const repository = resolve(import.meta.dirname, '../../..')
const file = join(import.meta.dirname, 'node_modules/.cache/addcard/explain.html')
await promisify(execFile)('go', ['run', './web/explain/build', '-o', file], { cwd: repository })
const address = pathToFileURL(file).href

const read = async (path) => JSON.parse(await readFile(join(repository, path), 'utf8'))
const examples = await read('internal/cardext/testdata/contract/examples.json')
const own = await read('web/explain/build/texts.json')
const locale = 'internal/httpapi/console/locale'
const texts = {
  zh: { ...(await read(`${locale}/zh.json`)), ...own.zh },
  en: { ...(await read(`${locale}/en.json`)), ...own.en },
}

const browser = await launchBrowser()
after(() => browser.close())

/**
 * Declares a journey. It fails too if the page requests anything but itself, or logs an error.
 * @param {string} name
 * @param {object} how
 * @param {string} [how.lang] the language of the browser
 * @param {(page: import('playwright-core').Page) => Promise<void>} journey
 */
function journey(name, { lang = 'zh-CN' }, journey) {
  test(name, { timeout: 3 * patience }, async () => {
    const context = await browser.newContext({
      locale: lang,
      offline: true,
      viewport: { width: 1280, height: 900 },
    })
    context.setDefaultTimeout(patience)
    try {
      const page = await context.newPage()
      const { errors } = await watch(page, address)
      const requests = []
      page.on('request', (request) => requests.push(request.url()))
      await page.goto(address)
      await journey(page)
      assert.deepEqual(requests, [address], 'the page is all that is requested')
      assert.deepEqual(errors, [], 'the browser has found errors')
    } finally {
      await context.close()
    }
  })
}

/**
 * Fills the form with a question, as the program takes it, presses the button, and returns what the page names and says
 * in each language. It runs in the browser: there are many examples.
 */
async function ask({ signed = {}, card, old_tickets = [], ...question }) {
  const $ = (id) => document.getElementById(id)
  for (const id of ['text', 'card_id', 'api_ticket', 'jsapi_ticket']) $(id).value = question[id] ?? ''
  $('old_tickets').value = old_tickets.join('\n')
  for (const name of ['code', 'openid', 'nonce_str', 'timestamp', 'card_id'])
    $(`signed_${name}`).value = signed[name] ?? ''
  if ($('card_known').checked !== Boolean(card)) $('card_known').click()
  for (const id of ['takes_code', 'needs_openid', 'fix_term']) $(id).checked = Boolean(card?.[id])
  const results = $('results')
  results.replaceChildren()
  const changed = new Promise((resolve) =>
    new MutationObserver(resolve).observe(results, { childList: true }),
  )
  document.querySelector('form button.main').click()
  await changed
  const causes = [...results.querySelectorAll('p > small > code')].map(({ textContent }) => textContent)
  const says = {}
  for (const lang of ['en', 'zh']) {
    document.querySelector(`[data-lang=${lang}]`).click()
    says[lang] = results.innerText
  }
  return { causes, says }
}

journey('each example has its causes, in both languages', {}, async (page) => {
  const named = new Set()
  for (const { causes, verifies, question } of examples) {
    if (causes.length && causes.every((cause) => named.has(cause))) continue
    for (const cause of causes) named.add(cause)
    await page.clock.setFixedTime(question.now * 1000)
    const found = await page.evaluate(ask, question)
    assert.deepEqual(found.causes, causes, JSON.stringify(question))
    for (const [lang, says] of Object.entries(found.says)) {
      const state = verifies ? 'verifies' : question.api_ticket ? 'wrong' : 'unverified'
      const keys = causes.flatMap((cause) => [`cause.${cause}`, `fix.${cause}`])
      for (const key of [state, ...(causes.length ? keys : ['nothing'])])
        assert.ok(says.includes(texts[lang][key]), `${lang}: ${key} is not in\n${says}`)
      for (const ticket of [question.api_ticket, question.jsapi_ticket, ...(question.old_tickets ?? [])])
        assert.ok(!ticket || !says.includes(ticket), `a ticket is in\n${says}`)
    }
  }
  const all = Object.keys(texts.zh).filter((key) => key.startsWith('cause.'))
  assert.deepEqual([...named].map((cause) => `cause.${cause}`).toSorted(), all.toSorted())
})

journey('the keyboard suffices, and the ticket is shown on request only', { lang: 'en' }, async (page) => {
  assert.equal(await page.title(), own.en.title)
  const press = (key) => page.keyboard.press(key)
  const focused = () => page.evaluate(() => document.activeElement.id)
  while ((await focused()) !== 'example') await press('Tab')
  await press('Enter')
  const joined = page.locator('#results pre')
  await joined.first().waitFor()
  assert.deepEqual(await joined.allTextContents(), [
    '12314048966881434008071***pjZ8Yt1XGILfi-FUsewpnnolGgZk',
    'f137ab68b7f8112d20ee528ab6074564e2796250',
  ])
  assert.ok((await page.locator('#results').innerText()).includes(texts.en['cause.keys_sorted']))
  while ((await focused()) !== 'show_ticket') await press('Tab')
  await press('Space')
  assert.equal(
    await joined.first().textContent(),
    '12314048966881434008071ojZ8YtyVyr30HheH3CM73y7h4jJEpjZ8Yt1XGILfi-FUsewpnnolGgZk',
  )
  assert.equal(await focused(), 'show_ticket')
  await press('Space')
  assert.ok((await joined.first().textContent()).includes('***'))
})

journey('all can use it, on a small phone too', {}, async (page) => {
  await page.locator('#example').click()
  await page.locator('#results section').waitFor()
  await checkPage(page, address)
  await page.locator('summary').click()
  await page.setViewportSize({ width: 320, height: 640 })
  for (const lang of ['en', 'zh']) {
    await page.locator(`[data-lang=${lang}]`).click()
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    assert.equal(wide, 0, `${lang}: the page scrolls sideways`)
    await pictures(page, lang)
  }
})

/** Takes pictures of the page, light and dark, if SCREENSHOTS names a folder. */
async function pictures(page, lang) {
  const folder = process.env.SCREENSHOTS
  if (!folder) return
  await mkdir(folder, { recursive: true })
  for (const colorScheme of ['light', 'dark'])
    for (const width of [320, 1280]) {
      await page.emulateMedia({ colorScheme })
      await page.setViewportSize({ width, height: 640 })
      await page.screenshot({
        path: join(folder, `explainer-${lang}-${colorScheme}-${width}.png`),
        fullPage: true,
      })
    }
  await page.setViewportSize({ width: 320, height: 640 })
}

journey(
  'what is pasted is text, several cards are told apart, and what is no card is refused',
  {},
  async (page) => {
    const hostile = '<img src=x onerror=alert(1)>'
    const cardExt = JSON.stringify({
      timestamp: 1700000000,
      nonceStr: hostile,
      [hostile]: hostile,
      signature: hostile,
    })
    await page.evaluate(ask, {
      text: JSON.stringify([
        { cardId: hostile, cardExt },
        { cardId: 'p2', cardExt },
      ]),
      api_ticket: '"T" ',
    })
    assert.deepEqual(await page.locator('#results h2').allTextContents(), [hostile, 'p2'])
    assert.equal(await page.locator('#results img').count(), 0)
    for (const [text, problem] of [
      ['', 'nothing_pasted'],
      ['wx.addCard()', 'not_json'],
      ['{"timestamp":1}', 'card_id_missing'],
      [JSON.stringify(Array.from({ length: 11 }, () => ({ cardId: 'p', cardExt: '{}' }))), 'too_many_cards'],
    ]) {
      const { says } = await page.evaluate(ask, { text })
      for (const lang of ['en', 'zh']) assert.equal(says[lang].trim(), own[lang][`problem.${problem}`])
    }
  },
)

test('its policy refuses requests', { timeout: 3 * patience }, async () => {
  const page = await browser.newPage()
  await page.goto(address)
  const refused = await page.evaluate(async () => {
    const directives = []
    const three = new Promise((resolve) => {
      document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => {
        if (directives.push(effectiveDirective) === 3) resolve(directives.toSorted())
      })
    })
    const failed = await fetch('https://example.com/').catch(() => 'refused')
    new Image().src = 'https://example.com/x.png'
    document.body.append(
      Object.assign(document.createElement('script'), { textContent: 'window.ran = true' }),
    )
    return { failed, directives: await three, ran: window.ran ?? false }
  })
  const directives = ['connect-src', 'img-src', 'script-src-elem']
  assert.deepEqual(refused, { failed: 'refused', directives, ran: false })
  await page.close()
})
