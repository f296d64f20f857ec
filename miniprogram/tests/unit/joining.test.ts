import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { beforeEach, test } from 'node:test'
import { joining } from '../../src/config.ts'
import type { Face } from '../../src/services/api.ts'
import { ApiError } from '../../src/services/http.ts'
import { keepFor, lastPhone } from '../../src/services/memory.ts'
import { givePhone } from '../../src/services/phone.ts'
import { consent } from '../../src/services/privacy.ts'
import { keepAvatar, keepNickname, profile } from '../../src/services/profile.ts'
import { messageFor, onlyShown, timelineFor } from '../../src/services/share.ts'
import { canSubscribe, subscribe } from '../../src/services/subscribe.ts'
import { fakeWx, problem, signsIn, type FakeWx } from './fake.ts'

let wx: FakeWx
beforeEach(() => {
  wx = fakeWx()
  joining.templates = []
})

/** Adds functions to the fake wx. */
const also = (functions: object) => void Object.assign(wx, functions)

const masked = { data: { phone: '138****8000' } }

test('givePhone sends the code of the button and remembers the number', async () => {
  wx.server = signsIn(() => masked)
  assert.equal(lastPhone(), '')
  assert.deepEqual(await givePhone({ code: 'c1', errMsg: 'getPhoneNumber:ok' }), {
    kind: 'given',
    phone: '138****8000',
  })
  assert.deepEqual(wx.requests.at(-1)!.data, { code: 'c1' })
  assert.equal(lastPhone(), '138****8000')
})

test('the number of another member is forgotten, and the one that the server has is known', () => {
  keepFor('m1', '138****8000')
  keepFor('m1', '')
  assert.equal(lastPhone(), '138****8000', 'a server without DATA_KEYS has none')
  keepFor('m2', '')
  assert.equal(lastPhone(), '')
  keepFor('m2', '139****9000')
  assert.equal(lastPhone(), '139****9000')
})

test('a memory of a version without the number has none', () => {
  wx.setStorageSync('addcard.memory', { member: 'm1', faces: [], cards: [] })
  assert.equal(lastPhone(), '')
})

test('givePhone: if the answer is lost, the same code is sent once more', async () => {
  let answers = 0
  wx.server = signsIn(() => (++answers === 1 ? { fail: 'timeout' } : masked))
  assert.equal((await givePhone({ code: 'c1' })).kind, 'given')
  const sent = wx.requests.filter((request) => request.url.endsWith('/v1/me/phone'))
  assert.deepEqual(
    sent.map((request) => request.data),
    [{ code: 'c1' }, { code: 'c1' }],
  )
})

for (const code of ['phone_taken', 'phone_code_invalid', 'wechat_unavailable']) {
  test(`givePhone: ${code} is thrown, is not sent again, and nothing is remembered`, async () => {
    wx.server = signsIn(() => problem(code === 'wechat_unavailable' ? 503 : 409, code))
    await assert.rejects(
      givePhone({ code: 'c1' }),
      (error) => error instanceof ApiError && error.code === code,
    )
    assert.deepEqual(wx.asked(), ['POST /v1/session', 'POST /v1/me/phone'])
    assert.equal(lastPhone(), '')
  })
}

for (const [detail, kind] of [
  [{ errMsg: 'getPhoneNumber:fail user deny' }, 'refused'],
  [{ errMsg: 'getPhoneNumber:fail user cancel' }, 'refused'],
  [{ errMsg: 'getPhoneNumber:fail jsapi has no permission', errno: 1400001 }, 'unavailable'],
  [
    { errMsg: 'getPhoneNumber:fail api scope is not declared in the privacy agreement', errno: 112 },
    'unavailable',
  ],
  [{ errMsg: 'getPhoneNumber:fail privacy permission is not authorized', errno: 104 }, 'no_consent'],
  [{ errMsg: 'getPhoneNumber:fail privacy permission is not authorized' }, 'no_consent'],
] as const) {
  test(`givePhone: ${detail.errMsg} is ${kind}, and the server is not asked`, async () => {
    assert.deepEqual(await givePhone(detail), { kind })
    assert.equal(wx.requests.length, 0)
  })
}

test('consent: WeChat before 2.32.3 needs none; a newer one is asked', async () => {
  assert.equal(await consent(), true)
  also({ requirePrivacyAuthorize: (o: { fail(): void }) => o.fail() })
  assert.equal(await consent(), false)
  also({ requirePrivacyAuthorize: (o: { success(): void }) => o.success() })
  assert.equal(await consent(), true)
})

test('the avatar is copied, the previous copy is removed, and nothing is sent', async () => {
  const removed: string[] = []
  also({
    getFileSystemManager: () => ({
      saveFile: (o: { tempFilePath: string; success(r: object): void }) =>
        o.success({ savedFilePath: o.tempFilePath.replace('tmp', 'store') }),
      removeSavedFile: (o: { filePath: string }) => removed.push(o.filePath),
    }),
  })
  keepNickname('  小红 ')
  await keepAvatar('wxfile://tmp_1')
  await keepAvatar('wxfile://tmp_2')
  assert.deepEqual(profile(), { nickname: '小红', avatar: 'wxfile://store_2' })
  assert.deepEqual(removed, ['wxfile://store_1'])
  assert.equal(wx.requests.length, 0)
})

test('an avatar that WeChat cannot keep: the user reads it, and the previous one stays', async () => {
  also({
    canIUse: () => true,
    getFileSystemManager: () => ({
      saveFile: (o: { fail(e: object): void }) =>
        o.fail({ errMsg: 'saveFile:fail exceeded the maximum size' }),
    }),
  })
  type Methods = { chooseAvatar(this: object, event: object): Promise<void> }
  let methods!: Methods
  Object.assign(globalThis, { Component: (defined: { methods: Methods }) => (methods = defined.methods) })
  await import('../../src/components/offers/offers.ts')
  const changes: object[] = []
  const offers = { setData: (change: object) => changes.push(change) }
  await methods.chooseAvatar.call(offers, { detail: { avatarUrl: 'wxfile://tmp_1' } })
  assert.deepEqual(changes, [{ profileOutcome: '头像保存失败' }])
  assert.equal(profile().avatar, '')
})

test('subscribe calls WeChat before anything is awaited, and returns the outcome', async () => {
  joining.templates = ['t1', 't2']
  let asked: unknown
  let answer: () => Promise<unknown> = () => Promise.resolve({ t1: 'reject', t2: 'accept' })
  also({
    canIUse: () => true,
    requestSubscribeMessage: (o: { tmplIds: string[] }) => {
      asked = o.tmplIds
      return answer()
    },
  })
  const outcome = subscribe()
  assert.deepEqual(asked, ['t1', 't2'])
  assert.equal(await outcome, 'accepted')
  answer = () => Promise.resolve({ t1: 'reject', t2: 'ban' })
  assert.equal(await subscribe(), 'rejected')
  answer = () => Promise.reject({ errMsg: 'requestSubscribeMessage:fail', errCode: 20004 })
  assert.equal(await subscribe(), 'off')
  answer = () => Promise.reject({ errMsg: 'requestSubscribeMessage:fail', errCode: 10002 })
  assert.equal(await subscribe(), 'failed')
})

test('without templates, or in a WeChat without the function, there is nothing to subscribe to', () => {
  let able = true
  also({ canIUse: () => able })
  assert.equal(canSubscribe(), false)
  joining.templates = ['t1']
  assert.equal(canSubscribe(), true)
  able = false
  assert.equal(canSubscribe(), false)
})

test('a shared page leads to the card with the channel, and has a picture of its own', () => {
  const face = {
    card_id: 'p1',
    brand_name: '示例小店',
    title: '金卡会员',
    logo_url: 'https://mmbiz.qpic.cn/logo/0',
  } as Face
  assert.deepEqual(messageFor(face), {
    title: '示例小店 金卡会员',
    path: '/pages/index/index?card_id=p1&outer_str=share',
    imageUrl: 'https://mmbiz.qpic.cn/logo/0',
  })
  assert.equal(
    messageFor({ ...face, background_pic_url: 'https://mmbiz.qlogo.cn/b/0' }).imageUrl,
    'https://mmbiz.qlogo.cn/b/0',
  )
  assert.equal(timelineFor(face).query, 'card_id=p1&outer_str=share')
})

test('a page in the timeline (scene 1154) is only shown', () => {
  let scene = 1001
  also({ getLaunchOptionsSync: () => ({ scene }) })
  assert.equal(onlyShown(), false)
  scene = 1154
  assert.equal(onlyShown(), true)
})

test('a new version is used only if the user wants to restart', async () => {
  const { offerUpdate } = await import('../../src/services/update.ts')
  let ready: () => Promise<void> = () => assert.fail('nothing waits for the update')
  let restarts = 0
  let confirm = false
  also({
    getUpdateManager: () => ({
      onUpdateReady: (f: () => Promise<void>) => void (ready = f),
      applyUpdate: () => restarts++,
    }),
    showModal: () => Promise.resolve({ confirm }),
  })
  offerUpdate()
  await ready()
  assert.equal(restarts, 0)
  confirm = true
  await ready()
  assert.equal(restarts, 1)
})

test('the compile modes of DevTools open pages that exist', () => {
  const read = (path: string) =>
    JSON.parse(readFileSync(resolve(import.meta.dirname, '../..', path), 'utf8')) as {
      pages: string[]
      condition: { miniprogram: { list: { name: string; pathName: string }[] } }
    }
  const { pages } = read('src/app.json')
  const modes = read('project.config.json').condition.miniprogram.list
  assert.ok(modes.length >= 4)
  for (const { name, pathName } of modes) assert.ok(pages.includes(pathName), `${name}: ${pathName}`)
})
