import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { brighten, dim } from '../../src/services/screen.ts'
import { fakeWx, type FakeWx } from './fake.ts'

let wx: FakeWx
beforeEach(() => {
  wx = fakeWx()
  wx.brightness = 0.3
})

test('the screen is bright and stays on, and both are restored', async () => {
  await brighten()
  assert.deepEqual([wx.brightness, wx.keptOn], [1, true])
  await dim()
  assert.deepEqual([wx.brightness, wx.keptOn], [0.3, false])
})

test('a second onShow does not lose the brightness to restore', async () => {
  await brighten()
  await brighten()
  await dim()
  assert.equal(wx.brightness, 0.3)
})

test('after a crash the next start restores the brightness, once', async () => {
  await brighten()
  await dim()
  wx.brightness = 1 // chosen by the user
  await dim()
  assert.equal(wx.brightness, 1)
})

test('a screen that was bright before stays so', async () => {
  wx.brightness = 1
  await brighten()
  await dim()
  assert.equal(wx.brightness, 1)
})

test('a brightness that the user chose meanwhile stays', async () => {
  await brighten()
  wx.brightness = 0.6
  await dim()
  assert.equal(wx.brightness, 0.6)
})

test('Android may set the brightness automatically again', async () => {
  wx.platform = 'android'
  await brighten()
  await dim()
  assert.equal(wx.brightness, -1)
})

test('a user who leaves at once leaves a dim screen', async () => {
  await Promise.all([brighten(), dim()])
  assert.deepEqual([wx.brightness, wx.keptOn], [0.3, false])
})

test('failures are ignored, and do not hinder the next call', async () => {
  const { getScreenBrightness } = wx
  wx.getScreenBrightness = () => Promise.reject({ errMsg: 'getScreenBrightness:fail' })
  await brighten()
  assert.equal(wx.keptOn, true)
  await dim()
  assert.equal(wx.keptOn, false)
  wx.getScreenBrightness = getScreenBrightness
  await brighten()
  assert.equal(wx.brightness, 1)
})
