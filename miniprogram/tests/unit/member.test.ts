/** The page 我的会员卡, without a browser. */
import assert from 'node:assert/strict'
import { beforeEach, test, type TestContext } from 'node:test'
import { keepCard, keepFace } from '../../src/services/memory.ts'
import { fakeWx, problem, signsIn, type FakeWx, type Reply } from './fake.ts'
import { later, openPage, settle, type RunningPage } from './page.ts'

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
const claimed = { ...active, status: 'claimed' } as const
const offline: Reply = { fail: 'net::ERR_INTERNET_DISCONNECTED' }
const pageSize = 20

let wx: FakeWx
let cards: object[]
/** How many entries the card has; they are numbered from 1. */
let total: number
let answers: Record<string, () => Reply | Promise<Reply>>

beforeEach(() => {
  wx = fakeWx()
  cards = [active]
  total = 0
  answers = {}
  wx.server = signsIn((request) => {
    const { pathname, searchParams } = new URL(request.url)
    if (answers[pathname]) return answers[pathname]()
    if (pathname === '/v1/cards/p1') return { data: face }
    if (pathname === '/v1/me') return { data: { id: 'm', cards } }
    if (pathname.endsWith('/entries')) return ledger(searchParams.get('cursor'))
    throw new Error(`no answer for ${pathname}`)
  })
  // There is a session, so that the page asks for the account.
  wx.storage.set('addcard.session', { token: 't', expiresAt: Date.now() + 3_600_000 })
})

const history = '/v1/me/cards/p1/codes/123/entries'

/** Answers with the entries before the cursor, newest first. */
function ledger(cursor: string | null): Reply {
  const from = Number(cursor ?? total + 1) - 1
  const to = Math.max(from - pageSize, 0)
  const entries = Array.from({ length: from - to }, (_, i) => entry(from - i))
  return { data: { entries, ...(to > 0 && { next_cursor: String(to + 1) }) } }
}

const entry = (n: number) => ({
  id: `e${n}`,
  seq: n,
  add_bonus: n,
  add_balance: 0,
  bonus: 0,
  balance: 0,
  record_bonus: `第${n}笔`,
  record_balance: '',
  created_at: '2026-11-30T10:00:00+08:00',
})

const seen = (page: RunningPage) => (page.data.rows as { id: string }[]).map(({ id }) => Number(id.slice(1)))
const down = (from: number, to: number) => Array.from({ length: from - to + 1 }, (_, i) => from - i)
const looks = () => wx.asked().filter((one) => one.endsWith('/v1/me')).length

async function open(): Promise<RunningPage> {
  const page = await openPage(wx, 'member')
  await settle()
  return page
}

test('rows are appended by path, and a return from another page keeps them', async () => {
  total = 45
  const page = await open()
  page.call('onReachBottom')
  await settle()
  assert.deepEqual(seen(page), down(45, 6))
  const appended = page.updates.find((update) => 'rows[20]' in update)
  assert.ok(appended, 'appended by path')
  page.updates.length = 0
  page.call('onHide')
  page.call('onShow')
  await settle()
  assert.deepEqual(seen(page), down(45, 6), 'the place is kept')
  assert.ok(!page.updates.some((update) => 'rows' in update), 'nothing new: the list is not set again')
  total = 47
  page.call('onShow')
  await settle()
  assert.deepEqual(seen(page), down(47, 6))
  page.call('onReachBottom')
  await settle()
  assert.deepEqual(seen(page), down(47, 1))
  assert.equal(page.data.historyState, 'all')
})

test('after more new entries than a page has, the list begins anew', async () => {
  total = 25
  const page = await open()
  page.call('onReachBottom')
  await settle()
  total = 60
  page.call('onPullDownRefresh')
  await settle()
  assert.deepEqual(seen(page), down(60, 41))
  page.call('onReachBottom')
  await settle()
  assert.deepEqual(seen(page), down(60, 21))
})

test('rows that arrive after a pull-down are neither lost nor doubled', async () => {
  for (const newer of [0, 1, 40]) {
    total = 45
    const page = await open()
    const late = later()
    answers[history] = () => late.answer
    page.call('onReachBottom')
    await settle()
    delete answers[history]
    const older = ledger('26')
    total += newer
    page.call('onPullDownRefresh')
    await settle()
    late.give(older)
    await settle()
    while (page.data.historyState === 'more') {
      page.call('onReachBottom')
      await settle()
    }
    assert.deepEqual(seen(page), down(total, 1), `${newer} new entries`)
  }
})

test('the late answer of an earlier load is dropped', async () => {
  const page = await open()
  const first = later()
  answers['/v1/me'] = () => first.answer
  page.call('onPullDownRefresh')
  await settle()
  answers['/v1/me'] = () => ({ data: { id: 'm', cards: [{ ...active, bonus: 9 }] } })
  page.call('onPullDownRefresh')
  await settle()
  first.give({ data: { id: 'm', cards: [active] } })
  await settle()
  assert.equal((page.data.figures as { value: string }[])[0]!.value, '9')
})

test('the bottom is reached twice: one request; and none at the end', async () => {
  total = 25
  const page = await open()
  const ask = () => wx.asked().filter((one) => one.endsWith('/entries')).length
  const before = ask()
  page.call('onReachBottom')
  page.call('onReachBottom')
  await settle()
  assert.equal(ask(), before + 1)
  assert.deepEqual(seen(page), down(25, 1))
  page.call('onReachBottom')
  await settle()
  assert.equal(ask(), before + 1)
})

test('a history that cannot be loaded says so, and can be tried again', async () => {
  total = 25
  answers[history] = () => problem(503, 'unavailable')
  const page = await open()
  assert.equal(page.data.historyState, 'failed')
  assert.equal(page.data.historyFailure, '服务暂时不可用，请稍后再试')
  assert.equal(page.data.historyReference, '错误编号 abcdef12')
  delete answers[history]
  page.call('retryHistory')
  await settle()
  assert.deepEqual(seen(page).slice(0, 20), down(25, 6))

  total = 45
  const next = await open()
  answers[history] = () => offline
  next.call('onReachBottom')
  await settle()
  assert.equal(next.data.historyState, 'failed')
  delete answers[history]
  next.call('retryHistory')
  await settle()
  assert.deepEqual(seen(next), down(45, 6), 'the rows are there without another scroll')
})

/** Opens the page with a card that is being activated. The timers are the test's. */
async function openClaimed(t: TestContext): Promise<RunningPage> {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  cards = [claimed]
  return open()
}

test('one failed look does not end the waiting for the activation', async (t) => {
  const page = await openClaimed(t)
  answers['/v1/me'] = () => offline
  t.mock.timers.tick(1500)
  await settle()
  assert.match(String(page.data.stale), /^网络不可用/)
  delete answers['/v1/me']
  cards = [active]
  t.mock.timers.tick(3000)
  await settle()
  assert.equal(page.data.status, '使用中')
  assert.equal(page.data.stale, '')
  const before = looks()
  t.mock.timers.tick(60_000)
  await settle()
  assert.equal(looks(), before, 'no more looks at an active card')
})

test('a page that is not visible does not look, and looks when it is shown again', async (t) => {
  const page = await openClaimed(t)
  const cleared = t.mock.method(globalThis, 'clearTimeout')
  page.call('onHide')
  assert.deepEqual(cleared.mock.calls[0]?.arguments, [page.instance.timer], 'no timer is left')
  const before = looks()
  t.mock.timers.tick(60_000)
  await settle()
  assert.equal(looks(), before)
  page.call('onShow')
  await settle()
  assert.equal(looks(), before + 1)
  page.call('onPullDownRefresh')
  page.call('onUnload')
  await settle()
  t.mock.timers.tick(60_000)
  await settle()
  assert.equal(looks(), before + 2, 'an answer that comes later starts no timer')
})

test('the next look waits as long as the server asked for', async (t) => {
  await openClaimed(t)
  answers['/v1/me'] = () => ({ ...problem(429, 'rate_limited'), header: { 'Retry-After': '20' } })
  t.mock.timers.tick(1500)
  await settle()
  const before = looks()
  t.mock.timers.tick(19_000)
  await settle()
  assert.equal(looks(), before)
  t.mock.timers.tick(1_000)
  await settle()
  assert.equal(looks(), before + 1)
})

test('without a network the card is shown as it was, with its time, and refreshed later', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  keepFace(face)
  keepCard(active)
  const works = wx.server
  wx.server = () => offline
  const page = await openPage(wx, 'member')
  assert.equal(page.data.state, 'ready', 'at once')
  assert.equal(page.data.number, '123')
  await settle()
  assert.match(String(page.data.stale), /^网络不可用.*\n更新于 \d{4}-\d\d-\d\d \d\d:\d\d$/)
  assert.equal(page.data.historyState, 'failed')
  wx.server = works
  t.mock.timers.tick(1500)
  await settle()
  assert.equal(page.data.stale, '')
  assert.equal(page.data.historyState, 'all')
})

test('a remembered card that the server does not know any more disappears', async () => {
  keepFace(face)
  keepCard(active)
  cards = []
  const page = await open()
  assert.equal(page.data.state, 'none')
  page.call('onShow')
  assert.equal(page.data.state, 'none', 'no skeleton at a return')
  await settle()
})

for (const before of ['none', 'deleted'] as const) {
  test(`a card that was just taken is shown while its claim goes on; before: ${before}`, async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    keepFace(face)
    if (before === 'deleted') keepCard({ ...active, status: 'deleted' })
    const claim = later()
    answers['/v1/claims'] = () => claim.answer
    cards = before === 'deleted' ? [{ ...active, status: 'deleted' }] : []
    wx.storage.set('addcard.claims', [{ cardId: 'p1', code: 'sealed', isSuccess: true }])
    const page = await openPage(wx, 'member')
    await settle()
    const shown = () => {
      assert.equal(page.data.state, 'ready')
      assert.equal(page.data.status, '激活中')
      assert.match(String(page.data.stale), /已放入微信卡包/)
      assert.equal(page.data.held, false, 'the wallet cannot be opened without the number')
    }
    shown()
    claim.give(offline)
    await settle()
    shown()
    assert.equal(page.data.outcome, '', 'the page says already that it is being confirmed')
    answers['/v1/claims'] = () => ({ data: { cards: [active] } })
    cards = [active]
    t.mock.timers.tick(1500)
    await settle()
    assert.equal(page.data.status, '使用中')
    assert.equal(page.data.stale, '')
  })
}

test('two taps open the wallet once, and a failure is told in our words', async () => {
  const page = await open()
  let opened = 0
  wx.openCard = () => {
    opened++
    return Promise.reject({ errMsg: 'openCard:fail internal TypeError' })
  }
  page.call('openWallet')
  page.call('openWallet')
  await settle()
  assert.equal(opened, 1)
  assert.equal(page.data.outcome, '无法打开微信卡包，请稍后再试')
})

test('去领取 goes back to the page of the same card, and opens it if another page is below', async () => {
  const take = '/pages/index/index?card_id=p1'
  for (const [below, leads] of [
    [undefined, take],
    [{ route: 'pages/index/index', cardId: 'p1' }, 'back'],
    [{ route: 'pages/index/index', cardId: 'p2' }, take],
    [{ route: 'pages/home/home' }, take],
  ] as const) {
    cards = []
    const page = await open()
    Object.assign(globalThis, { getCurrentPages: () => [...(below ? [below] : []), page.instance] })
    page.call('goTake')
    await settle()
    assert.equal(wx.navigated.at(-1), leads, JSON.stringify(below))
  }
})

test('the link of a figure is copied, and the user reads it if WeChat refuses', async () => {
  const page = await open()
  const tap = { currentTarget: { dataset: { url: 'https://shop.example/level' } } }
  wx.clipboard = undefined
  await page.call('follow', tap)
  assert.equal(page.data.outcome, '复制失败')
  wx.clipboard = ''
  await page.call('follow', tap)
  assert.equal(wx.clipboard, 'https://shop.example/level')
  assert.equal(page.data.outcome, '')
})

test('an unknown card has no retry', async () => {
  answers['/v1/cards/p1'] = () => problem(404, 'card_not_found')
  const page = await open()
  const { title, action } = page.data.failure as Record<string, string>
  assert.equal(title, '会员卡不存在')
  assert.equal(action, '')
})
