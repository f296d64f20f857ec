/** The page 会员码, without a browser. */
import assert from 'node:assert/strict'
import { beforeEach, test, type TestContext } from 'node:test'
import { fakeWx, problem, signsIn, type FakeWx, type Reply } from './fake.ts'
import { openPage, settle, type RunningPage } from './page.ts'

const face = {
  card_id: 'p1',
  title: '金卡',
  supply_bonus: true,
  supply_balance: false,
  sold_out: false,
  activation: 'on_claim',
  take: 'add_card',
} as const
const active = { card_id: 'p1', code: '123', status: 'active', bonus: 5, balance: 0 } as const

let wx: FakeWx
let cards: object[]
let offline: boolean
let refused: Reply | undefined
let shown: object

beforeEach(() => {
  wx = fakeWx()
  cards = [active]
  offline = false
  refused = undefined
  shown = face
  wx.server = signsIn(({ url }): Reply => {
    if (offline) return { fail: 'net::ERR_INTERNET_DISCONNECTED' }
    if (refused) return refused
    return { data: new URL(url).pathname === '/v1/me' ? { id: 'm', cards } : shown }
  })
  // There is a session, so that the page asks for the account.
  wx.storage.set('addcard.session', { token: 't', expiresAt: Date.now() + 3_600_000 })
})

async function open(t: TestContext): Promise<RunningPage> {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const page = await openPage(wx, 'code')
  t.after(() => page.call('onUnload'))
  await settle()
  return page
}

const screen = () => ({ brightness: wx.brightness, keptOn: wx.keptOn })

test('the screen is bright while a code is shown, and not longer', async (t) => {
  const page = await open(t)
  assert.deepEqual(screen(), { brightness: 1, keptOn: true })
  page.call('onHide')
  await settle()
  assert.deepEqual(screen(), { brightness: 0.5, keptOn: false })
})

test('a card that appears while the page is open is shown on a bright screen', async (t) => {
  cards = []
  const page = await open(t)
  assert.equal(page.data.state, 'none')
  assert.deepEqual(screen(), { brightness: 0.5, keptOn: false })
  cards = [active]
  t.mock.timers.tick(15_000)
  await settle()
  assert.equal(page.data.state, 'ready')
  assert.deepEqual(screen(), { brightness: 1, keptOn: true })
})

test('the card is loaded again while it is shown, and not after', async (t) => {
  const page = await open(t)
  cards = [{ ...active, bonus: 35 }]
  t.mock.timers.tick(15_000)
  await settle()
  assert.match(JSON.stringify(page.data.figures), /"35"/)
  page.call('onHide')
  const asked = wx.requests.length
  t.mock.timers.tick(60_000)
  await settle()
  assert.equal(wx.requests.length, asked)
})

test('without a network the code stays, marked as old', async (t) => {
  const page = await open(t)
  offline = true
  t.mock.timers.tick(15_000)
  await settle()
  assert.equal(page.data.state, 'ready')
  assert.equal(page.data.code, '123')
  assert.match(String(page.data.age), /网络不可用/)
})

for (const [activation, status] of [
  ['on_claim', '激活中'],
  ['form', '待激活'],
  ['component', '待激活'],
] as const)
  test(`a card that is not active, activation ${activation}: ${status}, as 我的会员卡 says`, async (t) => {
    shown = { ...face, activation }
    cards = [{ ...active, status: 'claimed' }]
    const page = await open(t)
    assert.equal(page.data.status, status)
    const member = await openPage(wx, 'member')
    await settle()
    assert.equal(member.data.status, status)
    member.call('onUnload')
  })

for (const [refusal, title, advice] of [
  [problem(404, 'card_not_found'), '会员卡不存在', '请重新扫描商家的二维码，或联系商家'],
  [problem(403, 'user_blocked'), '该微信账号暂时无法使用', '请联系商家'],
] as const)
  test(`${title}: the code page has no retry, and does not go on asking`, async (t) => {
    refused = refusal
    const page = await open(t)
    const none = page.data.none as Record<string, string>
    assert.equal(none.title, title)
    assert.equal(none.detail, advice)
    assert.equal(none.action, '')
    const asked = wx.requests.length
    t.mock.timers.tick(600_000)
    await settle()
    assert.equal(wx.requests.length, asked)
    refused = undefined
    page.call('onShow')
    await settle()
    assert.equal(page.data.state, 'ready', 'another visit asks again')
  })

test('a failure that may pass has a retry, and the page goes on asking', async (t) => {
  refused = problem(503, 'unavailable')
  const page = await open(t)
  assert.equal((page.data.none as Record<string, string>).action, '重试')
  refused = undefined
  t.mock.timers.tick(30_000)
  await settle()
  assert.equal(page.data.state, 'ready')
})

test('where the wallet cannot be opened the user reads why', async (t) => {
  const page = await open(t)
  wx.canIUse = (schema) => schema !== 'openCard'
  page.call('openWallet')
  await settle()
  assert.equal(page.data.outcome, '当前设备不支持，请在手机微信中打开')
})
