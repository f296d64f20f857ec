/** Journeys with the member's code, which is read from the screen as a scanner at the till does. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomCodes } from '../codes.ts'
import { decode } from '../decoder.ts'
import { browser, code, journey, nextUser, take, world, type Walk } from './journey.ts'
import { TestPhone } from './phone.ts'
import { until } from './world.ts'

/** Reads what the screen shows; both kinds must say the same. */
const scan = async (phone: TestPhone) => decode(await phone.page.screenshot())

const fromScreenToFace: Walk = async (phone, cardId) => {
  await take(phone)
  await phone.tap('出示会员码')
  await phone.on(code)
  await phone.sees('积分')
  const read = await scan(phone)
  const [card] = await phone.wallet()
  assert.deepEqual(read, { QRCode: card!.code })
  await world.admin('POST', `/v1/cards/${cardId}/codes/${read.QRCode}/entries`, { add_bonus: 30 })
  await phone.comeBack({ scene: 1001 })
  await phone.top().getByLabel('积分 30').waitFor()
}

journey('the till reads the code from the screen, and the points appear on the face', fromScreenToFace)
