/** A cashier books at the till: with a scanner, with the camera, without a network and without script. */
import assert from 'node:assert/strict'
import { eventually, openShop } from './harness.mjs'

const shop = await openShop()
const card = await shop.createCard({ custom_field1: undefined })

/** Makes a member with a card of their own, and returns its code. */
async function customer(name) {
  return (await shop.takeCard(name, card)).code
}

/** The entries of a code as [add_bonus, order, actor], oldest first. */
async function booked(code) {
  const { entries } = await shop.api('GET', `/v1/cards/${card}/codes/${code}/entries`)
  return entries.map((entry) => [entry.add_bonus, entry.order ?? '', entry.actor]).toReversed()
}

/** Waits until a code has so many entries, and returns them. */
async function bookedAll(code, n) {
  return eventually(async () => {
    const list = await booked(code)
    return list.length >= n ? list : undefined
  }, `${n} entries`)
}

/** Types a code and Enter, and waits for the form. */
async function type(page, code) {
  await page.keyboard.type(code)
  await page.keyboard.press('Enter')
  await page.locator('#main > [data-face] [name=amount]:focus').waitFor()
}

/** Scans, as a scanner does: it types into the field that has the focus, and ends with Enter. */
async function scan(page, code) {
  await page.locator('#query:focus').waitFor()
  await type(page, code)
}

/** Types the amount of a purchase, and books it with Enter. */
async function buy(page, amount, order = '') {
  await page.keyboard.type(amount)
  await page.locator('#main > [data-face]').getByLabel('订单号').fill(order)
  await page.keyboard.press('Enter')
}

const result = (page) => page.locator('.result')
const queue = (page) => page.locator('#till-queue')
const away = /ERR_INTERNET_DISCONNECTED|ERR_FAILED/

shop.test('an order is scanned, booked once, and undone', { role: 'cashier' }, async (visit) => {
  const { page, open, checked, shots, expected, dialogs } = visit
  const code = await customer('an')
  await open('/')
  await checked()
  await shots('till')
  await page.locator('main').click({ position: { x: 1, y: 1 } }) // nothing has the focus
  await type(page, code)
  await page.locator('.face').getByText('示例小店').waitFor()
  await page.keyboard.type('88.50')
  await page.getByText('积分 0 · 增加后 88 · 扣除后 不足').waitFor()
  await page.getByLabel('门店').first().fill('南京西路店')
  await page.getByLabel('订单号').first().fill('1001')
  await checked()
  await page.getByLabel('订单号').first().press('Enter')
  await result(page).getByText('+88 → 88').waitFor()
  await result(page).getByText('南京西路店').waitFor()
  await checked()
  await shots('till-booked')
  await page.reload() // the focus is where it was
  await result(page).getByText('+88 → 88').waitFor()

  await scan(page, code)
  assert.equal(await page.getByLabel('门店').first().inputValue(), '南京西路店')
  await buy(page, '88.5', '1001')
  await result(page).getByText('没有重复记').waitFor()
  await result(page).getByText('A cashier').waitFor()

  expected.push(/^409: POST/)
  await scan(page, code)
  await buy(page, '99', '1001')
  await page.getByRole('alert').getByText('+88 积分。 这次填的是 +99 积分').waitFor()
  await checked()

  await result(page).getByRole('button', { name: '撤销' }).click()
  assert.deepEqual(dialogs, ['撤销这一笔？'])
  await result(page).getByText('-88 → 0').waitFor()
  await scan(page, code)
  await buy(page, '99', '1001')
  await result(page).getByText('+99 → 99').waitFor()
  const actor = 'A cashier'
  assert.deepEqual(await booked(code), [
    [88, '1001', actor],
    [-88, '', actor],
    [99, '1001', actor],
  ])
})

shop.test(
  'what is scanned without a network is sent once',
  { role: 'cashier', width: 375 },
  async (visit) => {
    const { page, checked, expected } = visit
    const context = page.context()
    const code = await customer('bo')
    expected.push(away)
    await page.locator('#query:focus').waitFor()
    await context.setOffline(true)
    await scan(page, code)
    await page.getByText('没有网络').first().waitFor()
    await checked()
    await page.locator('#main > [data-face] [name=amount]').focus()
    await buy(page, '30', 'x-1')
    await queue(page).getByText('1 笔待发送').waitFor()
    await scan(page, code)
    await buy(page, '12')
    await queue(page).getByText('2 笔待发送').waitFor()
    await checked()

    // The page is loaded again before anything can be sent.
    await context.route('**/till/entries', (route) => route.abort('failed'))
    await context.setOffline(false)
    await page.reload()
    await queue(page).getByText('2 笔待发送').waitFor()
    const other = await context.newPage()
    await other.goto(page.url())
    await queue(other).getByText('2 笔待发送').waitFor()
    assert.deepEqual(await booked(code), [])

    await context.unroute('**/till/entries')
    await bookedAll(code, 2)
    await Promise.all(
      [page, other].map((tab) => queue(tab).getByText('笔待发送').waitFor({ state: 'hidden' })),
    )
    assert.deepEqual(await booked(code), [
      [30, 'x-1', 'A cashier'],
      [12, '', 'A cashier'],
    ])
  },
)

shop.test('what was booked, but not answered, is not booked again', { role: 'cashier' }, async (visit) => {
  const { page, expected } = visit
  const code = await customer('chen')
  expected.push(away)
  let lost = 0
  await page.route('**/till/entries', async (route) => {
    if (lost++ > 0) return route.continue()
    await route.fetch()
    return route.abort('failed')
  })
  await scan(page, code)
  await buy(page, '30')
  await queue(page).getByText('已记 +30 积分').waitFor()
  await page.locator('#till-own').getByText(`${code} · +30 积分`).waitFor()
  assert.deepEqual(await booked(code), [[30, '', 'A cashier']])
})

shop.test('what is refused after the wait must be acknowledged', { role: 'cashier' }, async (visit) => {
  const { page, open, checked, expected } = visit
  expected.push(away, /^404: POST/)
  await page.locator('#query:focus').waitFor()
  await page.context().setOffline(true)
  await scan(page, '<b>13800138000')
  await buy(page, '30')
  await queue(page).getByText('1 笔待发送').waitFor()
  await page.context().setOffline(false)
  await queue(page).getByText('被拒绝： 没有找到这个会员').waitFor()
  await checked()
  await open('/till') // it stays
  await queue(page).getByText('<b>13800138000').waitFor()
  await queue(page).getByRole('button', { name: '知道了' }).click()
  await queue(page).waitFor({ state: 'hidden' })
  await page.reload()
  await queue(page).waitFor({ state: 'hidden' })
})

shop.test('what waits is sent by the person who entered it', { role: 'cashier' }, async (visit) => {
  const { page, open, expected } = visit
  const code = await customer('dong')
  expected.push(/^401: POST/)
  await scan(page, code)
  await page.context().clearCookies() // the session has ended
  await buy(page, '30')
  const again = queue(page).getByRole('link', { name: '登录已失效' })
  await again.waitFor()
  await again.click()
  await page.getByRole('heading', { name: '登录控制台' }).waitFor()

  await shop.signIn(page, 'manager')
  await open('/till')
  await queue(page).getByText('由该员工登录后发送： A cashier').waitFor()
  await scan(page, code)
  await buy(page, '1')
  await result(page).getByText('+1 → 1').waitFor()

  await shop.signIn(page, 'cashier')
  await bookedAll(code, 2)
  await queue(page).getByText('已记 +30 积分').waitFor()
  assert.deepEqual(await booked(code), [
    [1, '', 'A manager'],
    [30, '', 'A cashier'],
  ])
})

shop.test('a code in the field of an amount is the next customer', { role: 'cashier' }, async ({ page }) => {
  const [first, next] = [await customer('er'), await customer('fang')]
  await scan(page, first)
  await page.keyboard.type(next)
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: next }).waitFor()
  assert.deepEqual([await booked(first), await booked(next)], [[], []])
})

shop.test(
  'the camera scans where the browser reads codes',
  { role: 'cashier', lang: 'en' },
  async (visit) => {
    const { page, open } = visit
    const code = await customer('gang')
    assert.equal(await page.getByRole('button', { name: 'Scan with the camera' }).isVisible(), false)
    await page.addInitScript((rawValue) => {
      window.BarcodeDetector = class {
        async detect() {
          return [{ rawValue }]
        }
      }
      const canvas = document.createElement('canvas')
      const draw = () => canvas.getContext('2d').fillRect(0, 0, 9, 9)
      setInterval(draw, 50) // without a change there is no picture
      const media = { getUserMedia: async () => canvas.captureStream(10) }
      Object.defineProperty(navigator, 'mediaDevices', { value: media })
    }, code)
    await open('/till')
    await page.getByRole('button', { name: 'Scan with the camera' }).click()
    await page.getByRole('heading', { name: code }).waitFor()
  },
)

shop.test('all works without script', { role: '' }, async ({ page }) => {
  const code = await customer('hua')
  const context = await page.context().browser().newContext({ javaScriptEnabled: false, locale: 'zh-CN' })
  try {
    const plain = await context.newPage()
    await shop.signIn(plain, 'cashier')
    for (const want of ['+30 → 30', '没有重复记']) {
      await scan(plain, code)
      await buy(plain, '30', 'h-1')
      await result(plain).getByText(want).waitFor()
    }
    await result(plain).getByRole('button', { name: '撤销' }).click()
    await result(plain).getByText('-30 → 0').waitFor()
  } finally {
    await context.close()
  }
})
