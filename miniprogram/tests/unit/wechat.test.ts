import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { beforeEach, test } from 'node:test'
import { addCard, openCard, openComponent } from '../../src/services/wechat.ts'
import { fakeWx, type FakeWx } from './fake.ts'

let wx: FakeWx
beforeEach(() => {
  wx = fakeWx()
})

const offered = [
  { cardId: 'p1', cardExt: '{}' },
  { cardId: 'p2', cardExt: '{}' },
]
const added = (cardId: string, isSuccess?: boolean) => ({ cardId, cardExt: '{}', code: 'sealed', isSuccess })

test('addCard passes the list on unchanged and returns what was added', async () => {
  let given: unknown
  wx.addCard = (argument) => {
    given = argument
    return Promise.resolve({ errMsg: 'addCard:ok', cardList: [added('p1', true), added('p2', true)] })
  }
  const result = await addCard(offered)
  assert.deepEqual(given, { cardList: offered })
  assert.deepEqual(result, { kind: 'added', cardList: [added('p1', true), added('p2', true)] })
})

test('addCard: isSuccess says which cards were added', async () => {
  wx.addCard = () =>
    Promise.resolve({ errMsg: 'addCard:ok', cardList: [added('p1', false), added('p2', true)] })
  assert.deepEqual(await addCard(offered), { kind: 'added', cardList: [added('p2', true)] })
})

test('addCard: a missing isSuccess means success', async () => {
  const card = { cardId: 'p1', cardExt: '{}', code: 'sealed' }
  wx.addCard = () => Promise.resolve({ errMsg: 'addCard:ok', cardList: [card] })
  assert.deepEqual(await addCard([offered[0]!]), { kind: 'added', cardList: [card] })
})

test('addCard: a success without a card is a failure', async () => {
  wx.addCard = () => Promise.resolve({ errMsg: 'addCard:ok', cardList: [added('p1', false)] })
  assert.deepEqual(await addCard(offered), { kind: 'failed', reason: 'no card was added' })
})

for (const [words, kind, reason] of [
  ['addCard:fail cancel', 'cancelled', undefined],
  ['addCard:fail (cancel)', 'cancelled', undefined],
  ['addCard:fail 签名错误', 'bad_signature', '签名错误'],
  ['addCard:fail (签名错误)', 'bad_signature', '签名错误'],
  ['addCard:fail 已领完', 'sold_out', '已领完'],
  ['addCard:fail 库存不足', 'sold_out', '库存不足'],
  ['addCard:fail 卡券已领取完', 'sold_out', '卡券已领取完'],
  ['addCard:fail 用户已领取', 'held', '用户已领取'],
  ['addCard:fail (已领取)', 'held', '已领取'],
  ['addCard:fail 您已领取过该卡券', 'held', '您已领取过该卡券'],
  ['addCard:fail 您已领过该卡券', 'held', '您已领过该卡券'],
  ['addCard:fail 超过领取限制', 'held', '超过领取限制'],
  ['addCard:fail 领取数量已达上限', 'held', '领取数量已达上限'],
  ['addCard:fail 超出可领取数量', 'held', '超出可领取数量'],
  ['addCard:fail:用户已领取', 'held', '用户已领取'],
  ['addCard:fail 参数错误', 'failed', '参数错误'],
  ['addCard:fail', 'failed', ''],
] as const) {
  test(`addCard: ${words} is ${kind}`, async () => {
    wx.addCard = () => Promise.reject({ errMsg: words })
    assert.deepEqual(await addCard(offered), reason === undefined ? { kind } : { kind, reason })
  })
}

test('openCard takes the plain code and returns the outcome', async () => {
  let given: unknown
  wx.openCard = (argument) => {
    given = argument
    return Promise.resolve({ errMsg: 'openCard:ok' })
  }
  assert.deepEqual(await openCard('p1', '123'), { kind: 'opened' })
  assert.deepEqual(given, { cardList: [{ cardId: 'p1', code: '123' }] })
  wx.openCard = () => Promise.reject({ errMsg: 'openCard:fail card not found' })
  assert.deepEqual(await openCard('p1', '123'), { kind: 'failed', reason: 'card not found' })
})

test('openComponent calls WeChat before anything is awaited', () => {
  let called = false
  wx.navigateToMiniProgram = () => {
    called = true
    return Promise.resolve({})
  }
  void openComponent({ appId: 'wx1', extraData: { encrypt_card_id: 'e', outer_str: 'o', biz: 'b' } })
  assert.equal(called, true)
})

test('openComponent: the user can cancel', async () => {
  wx.navigateToMiniProgram = () => Promise.reject({ errMsg: 'navigateToMiniProgram:fail cancel' })
  const parameters = { appId: 'wx1', extraData: { encrypt_card_id: 'e', outer_str: 'o', biz: 'b' } }
  assert.deepEqual(await openComponent(parameters), { kind: 'cancelled' })
})

test('only wechat.ts and http.ts call these functions of wx', () => {
  const src = resolve(import.meta.dirname, '../../src')
  const callers = (call: RegExp) =>
    readdirSync(src, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && call.test(readFileSync(join(src, file), 'utf8')))
      .map((file) => file.replaceAll('\\', '/'))
  for (const name of ['login', 'addCard', 'openCard', 'navigateToMiniProgram', 'setClipboardData'])
    assert.deepEqual(callers(new RegExp(`wx\\.${name}\\(`)), ['services/wechat.ts'], name)
  assert.deepEqual(callers(/wx\.request\(/), ['services/http.ts'])
})
