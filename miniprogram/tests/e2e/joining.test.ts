/** Journeys around taking a card: phone number, consent, avatar, messages, sharing, activation, update. */
import assert from 'node:assert/strict'
import { browser, journey, member, take, world } from './journey.ts'

journey(
  'the phone number is given with one tap, after the consent',
  async (phone) => {
    await take(phone)
    await phone.tap('手机号 一键绑定')
    await phone.sees('《示例小店小程序隐私保护指引》')
    assert.equal(phone.called('getPhoneNumber').length, 0, 'WeChat waits for the consent')
    await phone.tap('拒绝')
    await phone.sees('需要先同意隐私保护指引')
    await phone.tap('手机号 一键绑定')
    await phone.tap('同意')
    await phone.sees(/1\d\d\*{4}\d{4}/)
    assert.equal(phone.count('POST', '/v1/me/phone'), 1)
  },
  { settings: { privacyAgreed: false } },
)
void [browser, member, world, assert]
