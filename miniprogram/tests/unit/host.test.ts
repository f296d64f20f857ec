import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pages } from '../../host/runtime/pages.ts'
import type { Phone } from '../../host/runtime/phone.ts'
import { Privacy } from '../../host/runtime/privacy.ts'
import { makeWx } from '../../host/runtime/wx.ts'

test('each user of the sandbox has a storage of their own', () => {
  const kept = new Map<string, string>()
  const localStorage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  }
  Object.assign(globalThis, { localStorage })
  const phoneOf = (user: string) =>
    makeWx({ settings: { user } } as Phone, {} as Pages, () => false) as WechatMiniprogram.Wx
  const [hong, mei] = [phoneOf('hong'), phoneOf('mei')]
  hong.setStorageSync('session', { token: 'of hong' })
  assert.equal(mei.getStorageSync('session'), '')
  mei.setStorageSync('session', { token: 'of mei' })
  mei.removeStorageSync('session')
  assert.deepEqual(hong.getStorageSync('session'), { token: 'of hong' })
})

test('a text is copied after the consent only, as on a phone', async () => {
  const copied: unknown[] = []
  const phone = {
    settings: { user: 'hong' },
    call: (_: string, argument: unknown) => {
      copied.push(argument)
      return Promise.resolve({ result: {} })
    },
  } as unknown as Phone
  const privacy = new Privacy(false)
  const wx = makeWx(phone, {} as Pages, () => true, privacy) as WechatMiniprogram.Wx
  let event: 'agree' | 'disagree' = 'disagree'
  privacy.listen((resolve) => resolve({ event, buttonId: 'agree' }))
  await assert.rejects(async () => wx.setClipboardData({ data: '123' }), {
    errMsg: 'setClipboardData:fail privacy permission is not authorized',
  })
  assert.deepEqual(copied, [])
  event = 'agree'
  privacy.tap('agree')
  await wx.setClipboardData({ data: '123' })
  assert.deepEqual(copied, [{ data: '123' }])
})
