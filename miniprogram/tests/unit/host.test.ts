import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pages } from '../../host/runtime/pages.ts'
import type { Phone } from '../../host/runtime/phone.ts'
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
