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
/** Has the simulated WeChat refuse the next cards in these words. */
const says = (page, words) =>
  page.route(/add-card/, (route) =>
    route.continue({ url: `${route.request().url()}?says=${encodeURIComponent(words)}` }),
  )

/** A promise, and the function that keeps it. */
function gate() {
  let open
  const opened = new Promise((resolve) => (open = resolve))
  return [opened, open]
}

const button = (page, name) => page.getByRole('button', { name })

journey('the card is taken, gets points, and is opened', 'hong', async ({ page, address }) => {
  await page.goto(address)
  await button(page, '立即领取').waitFor()
  assert.equal(page.url(), address, 'the session stays in the address')
  await checkPhone(page, 'h5-take')
  await button(page, '立即领取').click()
  await page.getByText('会员卡已放入卡包').waitFor()
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
  assert.equal((await page.getByRole('status').textContent()).trim(), '会员卡已放入卡包')
})

journey(
  'the card is taken in English',
  'jane',
  async ({ page, address }) => {
    await page.goto(address)
    await button(page, 'Get the card').waitFor()
    await checkPhone(page, 'h5-take-en')
    await button(page, 'Get the card').click()
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
    await button(page, '立即领取').waitFor()
    const stolen = sessions[0]
    assert.ok(stolen, 'the session came in the fragment')
    const victim = await context.newPage()
    await victim.goto(stolen)
    await victim.getByText('登录失败，请重试').waitFor()
    assert.ok(!victim.url().includes('addcard_session'))
    assert.equal(await victim.evaluate(() => sessionStorage.getItem('addcard.session')), null)
  },
)

journey('what WeChat refuses is said, and can be tried again', 'lei', async ({ page, address, expected }) => {
  expected.push(/status of 400/)
  await sim('PUT', 'webpages/domains', { oauth: ['127.0.0.1'], js: ['other.example'] })
  await page.goto(address)
  await page.getByText('页面加载失败').waitFor()
  await checkPhone(page, 'h5-not-ready')
  await sim('PUT', 'webpages/domains', { oauth: ['127.0.0.1'], js: ['127.0.0.1'] })
  await button(page, '重试').click()
  await button(page, '立即领取').waitFor()
  for (const [answer, words] of [
    ['cancel', '已取消领取'],
    ['已领取', '你可能已领取过此卡'],
    ['签名错误', '领取失败'],
  ]) {
    await says(page, answer)
    await button(page, '立即领取').click()
    await page.getByText(words).waitFor()
    await page.unroute(/add-card/)
  }
  await checkPhone(page, 'h5-refused')
  await says(page, '已领完')
  await button(page, '立即领取').click()
  await page.getByText('会员卡已领完').waitFor()
  assert.ok(await page.locator('#act').isHidden(), 'a button that cannot work')
  await checkPhone(page, 'h5-sold-out')
  await page.unroute(/add-card/)
  await page.reload()
  await button(page, '立即领取').click()
  await page.getByText('会员卡已放入卡包').waitFor()
})

journey('a card that is in the wallet stays taken, whatever fails after', 'fang', async (walk) => {
  const { page, address, expected } = walk
  expected.push(/ERR_FAILED/)
  await page.goto(address)
  await button(page, '立即领取').waitFor()
  const [late, answer] = gate()
  await page.route(/v1\/claims/, async (route) => {
    await late
    await route.abort()
  })
  await page.route(/v1\/me$/, (route) => route.abort())
  await button(page, '立即领取').click()
  await page.getByText('领取成功，正在激活会员卡').waitFor() // while the report is on its way
  assert.ok(await page.locator('#act').isHidden(), 'the card can be taken twice')
  await checkPhone(page, 'h5-waiting')
  const failed = page.waitForEvent('requestfailed', (request) => /v1\/claims/.test(request.url()))
  answer()
  await failed
  await page.reload()
  await page.getByText('领取成功，正在激活会员卡').waitFor()
  await page.unroute(/v1\/claims/)
  await page.unroute(/v1\/me$/)
  await page.getByText('会员卡已放入卡包').waitFor()
  assert.equal(await page.evaluate(() => sessionStorage.getItem('addcard.taken')), null)
})

journey('a card that was taken elsewhere meanwhile is shown', 'hua', async (walk) => {
  const { page, context, address, expected } = walk
  expected.push(/status of 400/)
  await page.goto(address)
  await button(page, '立即领取').waitFor()
  const other = await context.newPage()
  await other.goto(address)
  await button(other, '立即领取').click()
  await button(other, '查看会员卡').waitFor()
  await says(page, '已领取')
  await button(page, '立即领取').click()
  await button(page, '查看会员卡').waitFor()
})

journey('a deleted card is restored', 'qiang', async ({ page, address }) => {
  await page.goto(address)
  await button(page, '立即领取').click()
  await button(page, '查看会员卡').waitFor()
  const [card] = await wallet('qiang')
  await sim('POST', 'phones/qiang/delete-card', { card_id: card.card_id, code: card.code })
  await eventually(async () => {
    await page.reload()
    await page.locator('#act').waitFor()
    return (await button(page, '恢复会员卡').isVisible()) || undefined
  }, 'the deletion')
  await page.getByText('恢复后卡号和积分不变').waitFor()
  await checkPhone(page, 'h5-deleted')
  await button(page, '恢复会员卡').click()
  await button(page, '查看会员卡').waitFor()
  assert.equal((await wallet('qiang'))[0].code, card.code)
})

journey('another user in the same tab sees their own card', 'an', async ({ page, address }) => {
  await page.goto(address)
  await button(page, '立即领取').click()
  await button(page, '查看会员卡').waitFor()
  await page.goto(`${url}?user=bing`)
  await button(page, '立即领取').click()
  await button(page, '查看会员卡').waitFor()
  assert.equal((await wallet('bing')).length, 1)
  await page.goto(`${url}?user=${encodeURIComponent('小红')}`)
  await page.getByText('user: 1 to 64 letters').waitFor()
})

journey('a card that is not there is no reason to try again', 'bo', async ({ page, address, expected }) => {
  expected.push(/status of 404/)
  await page.route(/config\.js/, async (route) => {
    const answer = await route.fetch()
    const other = "cardId = 'pNoSuchCardpNoSuchCardpNoSuchCa'"
    await route.fulfill({ response: answer, body: (await answer.text()).replace(/cardId = ".*?"/, other) })
  })
  await page.goto(address)
  await page.getByText('未找到会员卡').waitFor()
  assert.ok(await page.locator('#act').isHidden(), 'a button that cannot work')
})

journey('while the shop or WeChat says nothing, the page does', 'cai', async ({ page, address }) => {
  await page.clock.install()
  const [late, answer] = gate()
  await page.route(/v1\/cards/, async (route) => {
    await late
    await route.continue()
  })
  await page.goto(address)
  await page.getByText('加载中…').waitFor()
  await page.route(/jweixin/, async (route) => {
    const script = await (await route.fetch()).text()
    const silent = ';wx.ready = wx.error = () => {}'
    await route.fulfill({ body: script + silent, contentType: 'text/javascript' })
  })
  const configured = page.waitForResponse(/jssdk-config/)
  answer()
  await configured
  await eventually(async () => {
    await page.clock.fastForward(10_000)
    return (await button(page, '重试').isVisible()) || undefined
  }, 'the end of the waiting for WeChat')
  await page.getByText('页面加载失败').waitFor()
  await page.unroute(/jweixin/)
  await button(page, '重试').click()
  await button(page, '立即领取').waitFor()
})

test('outside of WeChat the page says so', { timeout: 3 * patience }, async () => {
  const page = await browser.newPage({ locale: 'zh-CN' })
  await page.route(/jweixin/, (route) => route.fulfill({ body: '', contentType: 'text/javascript' }))
  await page.goto(url)
  await page.getByText('请在微信中打开本页').waitFor()
  await checkPhone(page, 'h5-elsewhere')
  await page.close()
})
