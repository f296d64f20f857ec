/** The page 领取会员卡, without a browser. */
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { joining } from '../../src/config.ts'
import { keepCard, keepFace } from '../../src/services/memory.ts'
import { fakeWx, problem, type FakeWx, type Reply } from './fake.ts'
import { later, openPage, settle } from './page.ts'

const face = {
  card_id: 'p1',
  title: '金卡',
  supply_bonus: true,
  supply_balance: true,
  sold_out: false,
  activation: 'on_claim',
  take: 'add_card',
} as const
const active = { card_id: 'p1', code: '123', status: 'active', bonus: 5, balance: 0 } as const
const offline: Reply = { fail: 'net::ERR_INTERNET_DISCONNECTED' }

let wx: FakeWx
let cards: object[]
let answers: Record<string, () => Reply | Promise<Reply>>

beforeEach(() => {
  wx = fakeWx()
  cards = []
  answers = {}
  joining.phone = 'after'
  wx.server = (request) => {
    const path = new URL(request.url).pathname
    if (answers[path]) return answers[path]()
    if (path === '/v1/cards/p1') return { data: face }
    if (path === '/v1/me') return { data: { id: 'm', cards } }
    if (path === '/v1/card-ext') return { data: { cardList: [{ cardId: 'p1', cardExt: '{}' }] } }
    if (path === '/v1/claims') return { data: { cards: [active] } }
    if (path === '/v1/cards/p1/open-card') return { data: { appId: 'wx1', extraData: {} } }
    if (path === '/v1/session') return { data: { token: 't', expires_in: 7200, member: { id: 'm', cards } } }
    throw new Error(`no answer for ${path}`)
  }
  wx.addCard = () =>
    Promise.resolve({
      errMsg: 'addCard:ok',
      cardList: [{ cardId: 'p1', cardExt: '{}', code: 'sealed', isSuccess: true }],
    })
})

const asked = (path: string) => wx.asked().filter((one) => one.endsWith(path)).length

test('a phone number that the server has is not asked for', async () => {
  joining.phone = 'before'
  const member = { id: 'm', cards, phone: '138****8000' }
  answers['/v1/session'] = () => ({ data: { token: 't', expires_in: 7200, member } })
  const page = await openPage(wx, 'index')
  assert.equal(page.data.phoneFirst, true, 'before the login it is not known')
  await settle()
  assert.equal(page.data.phoneFirst, false)
})

test('the face does not wait for the login', async () => {
  const login = later()
  const works = wx.server
  wx.server = (request) => (request.url.endsWith('/v1/session') ? login.answer : works(request))
  const page = await openPage(wx, 'index')
  await settle()
  assert.equal(page.data.state, 'ready')
  assert.deepEqual(page.data.face, face)
  assert.equal(page.data.button, '立即领取')
  login.give({ data: { token: 't', expires_in: 7200, member: { id: 'm', cards: [active] } } })
  await settle()
  assert.equal(page.data.button, '查看我的会员卡')
})

test('a component’s button waits for its parameters, visibly', async () => {
  const parameters = later()
  answers['/v1/cards/p1'] = () => ({ data: { ...face, take: 'open_card' } })
  answers['/v1/cards/p1/open-card'] = () => parameters.answer
  const page = await openPage(wx, 'index')
  await settle()
  assert.equal(page.data.preparing, true)
  parameters.give({ data: { appId: 'wx1', extraData: {} } })
  await settle()
  assert.equal(page.data.preparing, false)
  assert.equal(page.data.button, '填写资料并激活')
})

test('a component’s parameters that cannot be had: why, the error’s number, and another attempt', async () => {
  answers['/v1/cards/p1'] = () => ({ data: { ...face, take: 'open_card' } })
  answers['/v1/cards/p1/open-card'] = () => problem(500, 'internal')
  const page = await openPage(wx, 'index')
  await settle()
  assert.equal(page.data.hint, '服务暂时不可用，请稍后再试\n错误编号 abcdef12')
  assert.equal(page.data.button, '重试')
})

test('a stored result of the component that could not be reported leads on when it can', async () => {
  keepFace({ ...face, take: 'open_card' })
  wx.storage.set('addcard.activation', { card_id: 'p1', code: '123', activate_ticket: 'ticket' })
  const works = wx.server
  wx.server = () => offline
  const page = await openPage(wx, 'index')
  await settle()
  assert.match(String(page.data.outcome), /^资料已提交，激活未完成\n网络不可用/)
  assert.equal(page.data.button, '重试', 'the component’s parameters are missing')
  wx.server = works
  answers['/v1/activations'] = () => ({ data: { card: active } })
  cards = [active]
  page.call('tap')
  await settle()
  assert.equal(wx.navigated.length, 1)
  assert.equal(page.data.outcome, '')
})

test('a result of the component leads to its own card, also from the page of another one', async () => {
  wx.storage.set('addcard.activation', { card_id: 'p2', code: '456', activate_ticket: 'ticket' })
  answers['/v1/activations'] = () => ({ data: { card: { ...active, card_id: 'p2', code: '456' } } })
  await openPage(wx, 'index')
  await settle()
  assert.deepEqual(wx.navigated, ['/pages/member/member?card_id=p2'])
})

test('what is remembered is shown at once, marked as old without a network, and replaced later', async () => {
  keepFace({ ...face, title: '银卡' })
  keepCard(active)
  const works = wx.server
  wx.server = () => offline
  const page = await openPage(wx, 'index')
  assert.equal(page.data.state, 'ready')
  assert.equal(page.data.button, '查看我的会员卡')
  assert.equal(page.data.stale, '', 'not before the answer')
  await settle()
  assert.match(String(page.data.stale), /^网络不可用.*\n更新于 \d{4}-\d\d-\d\d \d\d:\d\d$/)
  wx.server = works
  cards = [active]
  page.call('onShow')
  await settle()
  assert.equal(page.data.stale, '')
  assert.deepEqual(page.data.face, face)
})

test('a card that does not exist has no retry, and is forgotten', async () => {
  keepFace(face)
  answers['/v1/cards/p1'] = () => problem(404, 'card_not_found')
  const page = await openPage(wx, 'index')
  await settle()
  assert.equal(page.data.state, 'failed')
  const { title, action } = page.data.failure as Record<string, string>
  assert.equal(title, '会员卡不存在')
  assert.equal(action, '')
})

test('the late answer of an earlier load is dropped', async () => {
  const first = later()
  answers['/v1/cards/p1'] = () => first.answer
  const page = await openPage(wx, 'index')
  await settle()
  delete answers['/v1/cards/p1']
  page.call('onShow')
  await settle()
  first.give(problem(503, 'unavailable'))
  await settle()
  assert.equal(page.data.state, 'ready')
  assert.equal(page.data.stale, '')
})

test('two taps open the other page once, and show one sheet', async () => {
  cards = [active]
  const page = await openPage(wx, 'index')
  await settle()
  const opened = later()
  wx.navigateTo = ({ url }) => {
    wx.navigated.push(url)
    return opened.answer
  }
  page.call('tap')
  page.call('tap')
  assert.equal(wx.navigated.length, 1)
  opened.give({})
  await settle()
  page.call('tap')
  assert.equal(wx.navigated.length, 2, 'a tap after the return works')
  await settle()

  page.instance.data.action = 'take'
  page.call('tap')
  page.call('tap')
  await settle()
  assert.equal(asked('/v1/card-ext'), 1)
})

test('the page goes on as soon as the card is in the wallet; a slow claim goes on beside', async () => {
  const claim = later()
  answers['/v1/claims'] = () => claim.answer
  const page = await openPage(wx, 'index')
  await settle()
  page.call('tap')
  await settle()
  assert.equal(wx.navigated.length, 1)
  assert.equal(page.data.busy, false)
  assert.equal(page.data.button, '查看我的会员卡')
  page.call('onShow')
  await settle()
  assert.equal(
    page.data.button,
    '查看我的会员卡',
    'the card is not offered again before the claim is answered',
  )
  claim.give({ data: { cards: [active] } })
  cards = [active]
  await settle()
  assert.equal(asked('/v1/claims'), 1, 'looks share the claim')
})

test('WeChat never says what came of its sheet: the page is usable again, and a late answer counts', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const sheet = later()
  wx.addCard = () => sheet.answer
  const page = await openPage(wx, 'index')
  await settle()
  page.call('tap')
  await settle()
  page.call('onHide')
  t.mock.timers.tick(60_000)
  page.call('onShow')
  t.mock.timers.tick(10_000)
  await settle()
  page.call('onShow') // without an onHide before, as WeChat sometimes does
  t.mock.timers.tick(10_000)
  await settle()
  assert.equal(page.data.busy, true, 'the answer may still come')
  cards = [active] // WeChat's event told the server
  t.mock.timers.tick(15_000)
  await settle()
  assert.equal(page.data.busy, false)
  assert.equal(page.data.button, '查看我的会员卡')
  page.call('tap')
  await settle()
  assert.equal(wx.navigated.length, 1)
  sheet.give({ cardList: [{ cardId: 'p1', code: 'sealed', isSuccess: true }] } as Reply)
  await settle()
  assert.equal(asked('/v1/claims'), 1)
  assert.equal(wx.navigated.length, 1, 'the other page is not opened again')
})

test('an answer to the sheet that comes in time: the page is not loaded on its account', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const page = await openPage(wx, 'index')
  await settle()
  wx.addCard = () => {
    page.call('onHide')
    page.call('onShow') // WeChat shows the page before it answers
    return Promise.reject({ errMsg: 'addCard:fail cancel' })
  }
  page.call('tap')
  await settle()
  const before = wx.requests.length
  t.mock.timers.tick(60_000)
  await settle()
  assert.equal(wx.requests.length, before)
  assert.equal(page.data.outcome, '已取消领取')
})

test('sold out: there is no button to tap', async () => {
  for (const refuse of [
    () => {
      answers['/v1/card-ext'] = () => problem(409, 'card_not_claimable')
    },
    () => {
      delete answers['/v1/card-ext']
      wx.addCard = () => Promise.reject({ errMsg: 'addCard:fail 已领完' })
    },
  ]) {
    refuse()
    const page = await openPage(wx, 'index')
    await settle()
    page.call('tap')
    await settle()
    assert.equal(page.data.action, 'none')
    assert.equal(page.data.button, '已领完')
    const before = wx.requests.length
    page.call('tap')
    await settle()
    assert.equal(wx.requests.length, before)
  }
})

test('a face without stock is offered only to a member who has taken the card', async () => {
  answers['/v1/cards/p1'] = () => ({ data: { ...face, sold_out: true } })
  const page = await openPage(wx, 'index')
  await settle()
  assert.equal(page.data.button, '已领完')
  assert.match(String(page.data.hint), /已领完或已下架/)
  for (const [status, button] of [
    ['issued', '已领完'], // the card was offered once, and not taken
    ['gifted', '已领完'],
    ['deleted', '恢复会员卡'],
    ['claimed', '查看我的会员卡'],
    ['active', '查看我的会员卡'],
  ]) {
    wx.storage.clear()
    cards = [{ ...active, status }]
    const page = await openPage(wx, 'index')
    await settle()
    assert.equal(page.data.button, button, status)
  }
})

test('已领取 with a card that is not in the account: the button stays, and the words are honest', async () => {
  for (const words of ['用户已领取', '超过领取限制']) {
    wx.addCard = () => Promise.reject({ errMsg: `addCard:fail ${words}` })
    const page = await openPage(wx, 'index')
    await settle()
    page.call('tap')
    await settle()
    assert.match(String(page.data.outcome), /^微信提示已领取/)
    assert.equal(page.data.action, 'take')
  }
})

test('已领取 with a card in the account: it is shown', async () => {
  const page = await openPage(wx, 'index')
  await settle()
  wx.addCard = () => {
    cards = [active]
    return Promise.reject({ errMsg: 'addCard:fail 用户已领取' })
  }
  page.call('tap')
  await settle()
  assert.equal(page.data.action, 'view')
  assert.equal(page.data.number, '123')
})

test('users see no text of WeChat, of JavaScript, or for developers', async () => {
  const raw = /addCard|navigateTo|TypeError|not a function|:fail|errMsg|config\.ts|net::/
  for (const refuse of [
    () => Promise.reject({ errMsg: 'addCard:fail 系统错误 -1 fail' }),
    () => Promise.reject(new TypeError('wx.addCard is not a function')),
    () => Promise.resolve({ errMsg: 'addCard:ok', cardList: [{ cardId: 'p1', code: '', isSuccess: false }] }),
  ]) {
    wx.addCard = refuse
    const page = await openPage(wx, 'index')
    await settle()
    page.call('tap')
    await settle()
    assert.equal(page.data.outcome, '领取失败，请稍后再试')
    assert.doesNotMatch(page.texts(), raw)
  }
})

test('the request id of a fault of the server is quoted', async () => {
  answers['/v1/card-ext'] = () => problem(500, 'internal')
  const page = await openPage(wx, 'index')
  await settle()
  page.call('tap')
  await settle()
  assert.equal(page.data.outcome, '服务暂时不可用，请稍后再试\n错误编号 abcdef12')
})

test('too many requests: the user reads how long to wait', async () => {
  answers['/v1/card-ext'] = () => ({ ...problem(429, 'rate_limited'), header: { 'Retry-After': '7' } })
  const page = await openPage(wx, 'index')
  await settle()
  page.call('tap')
  await settle()
  assert.equal(page.data.outcome, '操作过于频繁，请 7 秒后再试')
})

test('without a card_id customers read what they can do, and developers find why in the console', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const warn = t.mock.method(console, 'warn', () => undefined)
  wx.envVersion = 'release'
  for (const name of ['index', 'member', 'code']) {
    const page = await openPage(wx, name, {})
    await settle()
    const { title, action } = (page.data.failure ?? page.data.none) as Record<string, string>
    assert.equal(title, '未找到会员卡')
    assert.equal(action, '')
    assert.doesNotMatch(page.texts(), /config|开发/)
  }
  assert.match(String(warn.mock.calls[0]!.arguments[0]), /config\.ts/)
  assert.equal(warn.mock.callCount(), 3)
  assert.deepEqual(wx.asked(), [])
})
