/** A person takes the card on the shop's web page in WeChat's browser: web/ as the sandbox serves it. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { checkPhone } from './checks.mjs'
import { eventually, launchBrowser } from './harness.mjs'
import { exchange, patience, startSandbox } from './sandbox.mjs'

const sandbox = await startSandbox({}, [])
after(sandbox.stop)
const browser = await launchBrowser()
after(() => browser.close())
const url = `${sandbox.wechatUrl}/_h5/`

/** Declares a journey of a user whose browser is fresh. It fails too if the page logs an error that is not expected. */
function journey(name, user, walk, locale = 'zh-CN') {
  test(name, { timeout: 3 * patience }, async () => {
    const context = await browser.newContext({ locale, viewport: { width: 375, height: 667 } })
    context.setDefaultTimeout(patience)
    const page = await context.newPage()
    const errors = []
    const expected = []
    page.on('pageerror', (error) => errors.push(String(error)))
    page.on('console', (line) => line.type() === 'error' && errors.push(line.text()))
    try {
      await walk({ page, context, expected, address: `${url}?user=${user}&from=timeline` })
    } finally {
      await context.close()
    }
    assert.deepEqual(
      errors.filter((error) => !expected.some((form) => form.test(error))),
      [],
    )
  })
}

const wallet = async (user) => (await exchange('GET', `${sandbox.wechatUrl}/_sim/phones/${user}/cards`)).cards
const sim = (method, path, body) => exchange(method, `${sandbox.wechatUrl}/_sim/${path}`, body)
const api = (method, path, body) =>
  exchange(method, sandbox.adminUrl.replace(/\/$/, '') + path, body, sandbox.token)
const button = (page, name) => page.getByRole('button', { name })

journey('the card is taken, gets points, and is opened', 'hong', async ({ page, address }) => {
  await page.goto(address)
  await button(page, '领取会员卡').waitFor()
  assert.equal(page.url(), address, 'the session stays in the address')
  await checkPhone(page, 'h5-take')
  await button(page, '领取会员卡').click()
  await page.getByText('会员卡已放入卡包。').waitFor()
  const [card] = await wallet('hong')
  assert.ok(card.has_active)
  await api('POST', `/v1/cards/${card.card_id}/codes/${card.code}/entries`, { add_bonus: 88 })
  await page.reload()
  const points = page.locator('#figures').getByText(String(card.bonus + 88), { exact: true })
  await points.waitFor()
  await page.locator('summary').click()
  await checkPhone(page, 'h5-taken')
  await eventually(
    async () => (await wallet('hong'))[0].bonus === card.bonus + 88 || undefined,
    'the points in the wallet',
  )
  await button(page, '查看会员卡').click()
  await button(page, '查看会员卡').waitFor()
  assert.equal((await page.getByRole('status').textContent()).trim(), '会员卡已放入卡包。')
})

journey(
  'the card is taken in English',
  'jane',
  async ({ page, address }) => {
    await page.goto(address)
    await button(page, 'Take the card').waitFor()
    await checkPhone(page, 'h5-take-en')
    await button(page, 'Take the card').click()
    await button(page, 'Show the card').waitFor()
    await checkPhone(page, 'h5-taken-en')
  },
  'en-GB',
)

journey('the member of the mini-program sees their card', 'ming', async ({ page, address }) => {
  // The sandbox's flow has played ming in the mini-program.
  await page.goto(address)
  await button(page, '查看会员卡').waitFor()
  const held = await wallet('ming')
  assert.equal(held.length, 1)
})

journey(
  'a link with a session of another person signs nobody in',
  'wei',
  async ({ page, context, address }) => {
    const sessions = []
    page.on('response', (answer) => {
      const to = answer.headers().location ?? ''
      if (to.includes('addcard_session')) sessions.push(to)
    })
    await page.goto(address)
    await button(page, '领取会员卡').waitFor()
    const stolen = sessions[0]
    assert.ok(stolen, 'the session came in the fragment')
    const victim = await context.newPage()
    await victim.goto(stolen)
    await victim.getByText('登录没有完成，请再试一次。').waitFor()
    assert.ok(!victim.url().includes('addcard_session'))
    assert.equal(await victim.evaluate(() => sessionStorage.getItem('addcard.session')), null)
  },
)

journey('what WeChat refuses is said, and can be tried again', 'lei', async ({ page, address, expected }) => {
  expected.push(/status of 400/)
  await sim('PUT', 'webpages/domains', { oauth: ['127.0.0.1'], js: ['other.example'] })
  await page.goto(address)
  await page.getByText('微信功能没有准备好').waitFor()
  await checkPhone(page, 'h5-not-ready')
  await sim('PUT', 'webpages/domains', { oauth: ['127.0.0.1'], js: ['127.0.0.1'] })
  await button(page, '再试一次').click()
  await button(page, '领取会员卡').waitFor()
  for (const [says, words] of [
    ['cancel', '你没有领取'],
    ['已领取', '你可能已经有这张会员卡'],
    ['已领完', '会员卡已经领完'],
    ['签名错误', '微信没有放入这张卡'],
  ]) {
    await page.route(/add-card/, (route) =>
      route.continue({ url: `${route.request().url()}?says=${encodeURIComponent(says)}` }),
    )
    await button(page, '领取会员卡').click()
    await page.getByText(words).waitFor()
    await page.unroute(/add-card/)
  }
  await checkPhone(page, 'h5-refused')
  await button(page, '领取会员卡').click()
  await page.getByText('会员卡已放入卡包。').waitFor()
})

test('outside of WeChat the page says so', { timeout: 3 * patience }, async () => {
  const page = await browser.newPage({ locale: 'zh-CN' })
  await page.route(/jweixin/, (route) => route.fulfill({ body: '', contentType: 'text/javascript' }))
  await page.goto(url)
  await page.getByText('请在微信里打开本页。').waitFor()
  await checkPhone(page, 'h5-elsewhere')
  await page.close()
})
