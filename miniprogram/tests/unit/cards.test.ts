import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { finishActivation, keepReturn, returnedCardId } from '../../src/services/activation.ts'
import {
  claimFromWallet,
  entries,
  face,
  isClaiming,
  myCard,
  openCardParameters,
  takeCard,
} from '../../src/services/cards.ts'
import { ApiError } from '../../src/services/http.ts'
import { lastFace } from '../../src/services/memory.ts'
import { fakeWx, problem, signsIn, type FakeWx, type Reply } from './fake.ts'
import { settle } from './page.ts'

let wx: FakeWx
beforeEach(() => {
  wx = fakeWx()
})

const path = (url: string) => new URL(url).pathname
const active = { card_id: 'p1', code: '123', status: 'active', bonus: 0, balance: 0 }

/** Sets up a server that signs p1 and accepts every claim. */
function serves(answers: Record<string, () => Reply> = {}) {
  let signatures = 0
  wx.server = signsIn((request) => {
    const known = answers[path(request.url)]
    if (known) return known()
    if (path(request.url) === '/v1/card-ext')
      return { data: { cardList: [{ cardId: 'p1', cardExt: `signed-${++signatures}` }] } }
    return { data: { cards: [active] } }
  })
}

const accepts = (argument: unknown) => {
  const { cardList } = argument as { cardList: { cardId: string; cardExt: string }[] }
  return Promise.resolve({
    errMsg: 'addCard:ok',
    cardList: cardList.map((card) => Object.assign({}, card, { code: 'sealed', isSuccess: true })),
  })
}

test('takeCard: signed, added, claimed', async () => {
  serves()
  wx.addCard = accepts
  assert.deepEqual(await takeCard('p1', 'home'), { kind: 'taken' })
  assert.equal(isClaiming('p1'), true, 'it is claimed beside')
  await myCard('p1')
  assert.equal(isClaiming('p1'), false)
  assert.deepEqual(wx.asked(), ['POST /v1/session', 'POST /v1/card-ext', 'POST /v1/claims', 'GET /v1/me'])
  assert.deepEqual(wx.requests[1]!.data, { cards: [{ card_id: 'p1', outer_str: 'home' }] })
  assert.deepEqual(wx.requests[2]!.data, {
    cardList: [{ cardId: 'p1', cardExt: 'signed-1', code: 'sealed', isSuccess: true }],
  })
})

test('pictures are loaded with https, though WeChat gives addresses with http', async () => {
  const picture = '://mmbiz.qpic.cn/mmbiz_png/a/0?from=http://example'
  const shown = {
    card_id: 'p1',
    title: '金卡',
    logo_url: `http${picture}`,
    background_pic_url: `https${picture}`,
  }
  serves({ '/v1/cards/p1': () => ({ data: shown }) })
  const secure = { ...shown, logo_url: `https${picture}` }
  assert.deepEqual(await face('p1'), secure)
  assert.deepEqual(lastFace('p1')?.value, secure)
})

test('takeCard: without a channel there is no outer_str', async () => {
  serves()
  wx.addCard = accepts
  await takeCard('p1', '')
  assert.deepEqual(wx.requests[1]!.data, { cards: [{ card_id: 'p1' }] })
})

test('takeCard: after a refused signature a second one is tried, but no third', async () => {
  serves()
  const tried: string[] = []
  wx.addCard = (argument) => {
    tried.push((argument as { cardList: { cardExt: string }[] }).cardList[0]!.cardExt)
    return tried.length === 1 ? Promise.reject({ errMsg: 'addCard:fail 签名错误' }) : accepts(argument)
  }
  assert.equal((await takeCard('p1', '')).kind, 'taken')
  assert.deepEqual(tried, ['signed-1', 'signed-2'], 'each signature is used once')

  tried.length = 0
  wx.addCard = () => {
    tried.push('')
    return Promise.reject({ errMsg: 'addCard:fail 签名错误' })
  }
  assert.equal((await takeCard('p1', '')).kind, 'bad_signature')
  assert.equal(tried.length, 2)
})

test('takeCard: a cancelled card is not claimed', async () => {
  serves()
  wx.addCard = () => Promise.reject({ errMsg: 'addCard:fail cancel' })
  assert.deepEqual(await takeCard('p1', ''), { kind: 'cancelled' })
  assert.ok(!wx.asked().includes('POST /v1/claims'))
})

test('takeCard: a card counts as taken although the claim was lost, and the claim is sent later', async () => {
  let reply: Reply = { fail: 'net::ERR_INTERNET_DISCONNECTED' }
  let cards: object[] = []
  serves({ '/v1/claims': () => reply, '/v1/me': () => ({ data: { id: 'm', cards } }) })
  wx.addCard = accepts
  assert.deepEqual(await takeCard('p1', ''), { kind: 'taken' })
  await assert.rejects(myCard('p1'), 'an error, not a wrong answer')
  assert.equal(await myCard('p2'), undefined)
  cards = [active]
  assert.deepEqual(await myCard('p1'), active, 'WeChat’s event came first')

  reply = { data: { cards } }
  await myCard('p1')
  const claims = () => wx.requests.filter((request) => path(request.url) === '/v1/claims')
  const made = claims().length
  assert.deepEqual(claims().at(-1)!.data, claims()[0]!.data)
  await myCard('p1')
  assert.equal(claims().length, made, 'the claim was answered')
})

test('takeCard: a refused claim is not repeated, one without a session is', async () => {
  for (const [reply, again] of [
    [problem(403, 'code_not_yours'), false],
    [problem(401, 'session_invalid'), true],
    [problem(429, 'rate_limited'), true],
  ] as const) {
    wx = fakeWx()
    serves({ '/v1/claims': () => reply, '/v1/me': () => ({ data: { id: 'm', cards: [active] } }) })
    wx.addCard = accepts
    await takeCard('p1', '')
    await settle()
    const before = wx.requests.length
    await myCard('p1')
    assert.equal(wx.asked().slice(before).includes('POST /v1/claims'), again, JSON.stringify(reply))
  }
})

test('takeCard: a card that is held already is neither claimed nor tried again', async () => {
  for (const words of ['用户已领取', '已领取', '超过领取限制']) {
    wx = fakeWx()
    serves()
    wx.addCard = () => Promise.reject({ errMsg: `addCard:fail ${words}` })
    assert.deepEqual(await takeCard('p1', ''), { kind: 'held', reason: words })
    assert.deepEqual(wx.asked(), ['POST /v1/session', 'POST /v1/card-ext'])
  }
})

test('claimFromWallet: the encrypted code of 激活 in the wallet is claimed with the next look', async () => {
  serves({ '/v1/me': () => ({ data: { id: 'm', cards: [active] } }) })
  claimFromWallet('p1', 'sealed%2B%3D')
  assert.deepEqual(await myCard('p1'), active)
  assert.deepEqual(wx.requests[1]!.data, { cardList: [{ cardId: 'p1', code: 'sealed+=' }] })
  claimFromWallet('p1', 'sealed%2B%3D')
  claimFromWallet('p1', '')
  claimFromWallet('p1', undefined)
  await myCard('p1')
  assert.equal(wx.asked().filter((asked) => asked === 'POST /v1/claims').length, 2, 'a claim may be repeated')
})

test('claimFromWallet: a refused claim is no failure, and a code is kept until it is answered', async () => {
  let reply = problem(503, 'wechat_unavailable')
  serves({ '/v1/claims': () => reply, '/v1/me': () => ({ data: { id: 'm', cards: [] } }) })
  claimFromWallet('p1', 'sealed')
  claimFromWallet('p1', 'sealed')
  await assert.rejects(myCard('p1'))
  reply = problem(403, 'code_not_yours')
  assert.equal(await myCard('p1'), undefined)
  const claims = wx.requests.filter((request) => path(request.url) === '/v1/claims')
  assert.deepEqual(claims.at(-1)!.data, { cardList: [{ cardId: 'p1', code: 'sealed' }] })
})

test('takeCard: if the server refuses, no sheet is shown', async () => {
  serves({ '/v1/card-ext': () => problem(409, 'card_not_claimable') })
  wx.addCard = () => assert.fail('the sheet was shown')
  await assert.rejects(
    takeCard('p1', ''),
    (error: unknown) => error instanceof ApiError && error.code === 'card_not_claimable',
  )
})

test('myCard: prefers the card in the wallet, then a deleted one, then an issued one', async () => {
  const issued = { ...active, status: 'issued', code: undefined }
  const deleted = { ...active, status: 'deleted' }
  for (const [cards, want] of [
    [[issued, deleted, active], active],
    [[issued, deleted], deleted],
    [[issued], issued],
    [[{ ...active, card_id: 'p2' }], undefined],
  ] as const) {
    wx.storage.set('addcard.session', { token: 't', expiresAt: Date.now() + 3_600_000 })
    wx.server = () => ({ data: { id: 'm', cards } })
    assert.deepEqual(await myCard('p1'), want)
  }
})

test('values in paths and queries are encoded', async () => {
  wx.server = signsIn(() => ({ data: { entries: [] } }))
  await entries('p/1', '1 2', 'a+b')
  await openCardParameters('p1', '桌7&x')
  assert.ok(wx.requests[1]!.url.endsWith('/v1/me/cards/p%2F1/codes/1%202/entries?limit=20&cursor=a%2Bb'))
  assert.ok(wx.requests[2]!.url.endsWith('/v1/cards/p1/open-card?outer_str=%E6%A1%8C7%26x'))
})

const answer = { activate_ticket: 'ticket-1', card_id: 'p1', code: '123' }
const back = (extraData?: object, scene = 1038, appId = 'wxeb490c6f9b154ef9') => ({
  scene,
  referrerInfo: { appId, extraData },
})

test('the component’s result is reported once, however often it is delivered', async () => {
  serves({ '/v1/activations': () => ({ data: { card: active } }) })
  keepReturn(back(answer) as never)
  keepReturn(back(answer) as never)
  assert.deepEqual(await finishActivation(), active)
  assert.equal(await finishActivation(), undefined)
  keepReturn(back(answer) as never)
  assert.equal(await finishActivation(), undefined, 'the same result again is ignored')
  assert.deepEqual(wx.requests.at(-1)!.data, answer)
  assert.equal(wx.asked().filter((asked) => asked === 'POST /v1/activations').length, 1)
})

test('a return from elsewhere, or without a result, reports nothing', async () => {
  serves()
  for (const shown of [
    back(undefined),
    back({}),
    back({ card_id: 'p1', code: '123' }),
    back(answer, 1037),
    back(answer, 1038, 'wxother'),
    { scene: 1038 },
    { scene: 1001 },
  ]) {
    keepReturn(shown as never)
    assert.equal(await finishActivation(), undefined, JSON.stringify(shown))
  }
  assert.deepEqual(wx.requests, [])
})

test('a return without a ticket names its card, and reports nothing', async () => {
  serves()
  keepReturn(back({ card_id: 'p1', code: '123' }) as never)
  assert.equal(returnedCardId(), 'p1')
  assert.equal(await finishActivation(), undefined)
  keepReturn({ scene: 1001 } as never)
  assert.equal(returnedCardId(), undefined)
  assert.deepEqual(wx.requests, [])
})

test('a result is kept while the server cannot be reached, and dropped when it is refused', async () => {
  let reply: Reply = { fail: 'net::ERR_INTERNET_DISCONNECTED' }
  serves({ '/v1/activations': () => reply })
  keepReturn(back(answer) as never)
  await assert.rejects(finishActivation())
  for (const passing of [
    problem(503, 'wechat_unavailable'),
    problem(401, 'session_invalid'),
    problem(408, 'request_timeout'),
    problem(429, 'rate_limited'),
  ]) {
    reply = passing
    await assert.rejects(finishActivation())
  }
  assert.equal(returnedCardId(), 'p1')
  reply = problem(422, 'activate_ticket_invalid')
  await assert.rejects(finishActivation())
  assert.equal(await finishActivation(), undefined)
  assert.equal(returnedCardId(), undefined)
})

test('two pages that are shown at once report the result once', async () => {
  serves({ '/v1/activations': () => ({ data: { card: active } }) })
  keepReturn(back(answer) as never)
  await Promise.all([finishActivation(), finishActivation()])
  assert.equal(wx.asked().filter((asked) => asked === 'POST /v1/activations').length, 1)
})
