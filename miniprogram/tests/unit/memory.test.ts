import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { face, myCard } from '../../src/services/cards.ts'
import { keepCard, keepFace, keepFor, lastCard, lastFace } from '../../src/services/memory.ts'
import { fakeWx, problem, signsIn, type FakeWx, type Reply } from './fake.ts'

let wx: FakeWx
beforeEach(() => {
  wx = fakeWx()
})

const gold = {
  card_id: 'p1',
  title: '金卡',
  supply_bonus: true,
  supply_balance: true,
  sold_out: false,
  activation: 'on_claim',
  take: 'add_card',
} as const
const mine = { card_id: 'p1', code: '123', status: 'active', bonus: 5, balance: 0 } as const

/** Answers with the face, and with the account's cards. */
function serves(answers: { face?: Reply; cards?: object[] }) {
  wx.server = signsIn(({ url }) =>
    url.includes('/v1/cards/')
      ? (answers.face ?? { data: gold })
      : { data: { id: 'm', cards: answers.cards ?? [mine] } },
  )
}

/** Signs in, so that the next look asks for the account. */
async function look(cardId = 'p1') {
  await myCard(cardId)
  return myCard(cardId)
}

test('the last face and card are remembered with their time', async () => {
  serves({})
  const before = Date.now()
  await face('p1')
  await look()
  assert.deepEqual(lastFace('p1')?.value, gold)
  assert.deepEqual(lastCard('p1')?.value, mine)
  for (const { at } of [lastFace('p1')!, lastCard('p1')!]) assert.ok(at >= before && at <= Date.now())
  assert.equal(lastFace('p2'), undefined)
  assert.equal(lastCard('p2'), undefined)
})

test('a failure leaves the memory alone, and an answer without the card clears it', async () => {
  serves({})
  await face('p1')
  await look()
  wx.server = () => ({ fail: 'net::ERR_INTERNET_DISCONNECTED' })
  await assert.rejects(face('p1'))
  await assert.rejects(myCard('p1'))
  assert.ok(lastFace('p1') && lastCard('p1'))
  serves({ face: problem(404, 'card_not_found'), cards: [] })
  await assert.rejects(face('p1'))
  await myCard('p1')
  assert.equal(lastFace('p1'), undefined)
  assert.equal(lastCard('p1'), undefined)
})

test('a login of another member clears the cards, and one of the same member does not', () => {
  keepFor('m', '')
  keepCard(mine)
  keepFace(gold)
  keepFor('m', '')
  assert.ok(lastCard('p1'))
  keepFor('other', '')
  assert.equal(lastCard('p1'), undefined)
  assert.ok(lastFace('p1'), 'a face is the same for everybody')
})

test('a login clears the cards of the member before', async () => {
  keepFor('another member', '')
  keepCard(mine)
  serves({ cards: [] })
  await myCard('p2')
  assert.equal(lastCard('p1'), undefined)
})

test('the memory is bounded: the oldest are forgotten', () => {
  for (let n = 1; n <= 20; n++) {
    keepFace({ ...gold, card_id: `p${n}` })
    keepCard({ ...mine, card_id: `p${n}` })
  }
  assert.ok(lastFace('p20') && lastCard('p20'))
  assert.equal(lastFace('p5'), undefined)
  assert.equal(lastCard('p5'), undefined)
})

test('a full storage does no harm', () => {
  wx.setStorageSync = () => {
    throw new Error('setStorageSync:fail exceed storage max size 10Mb')
  }
  keepFace(gold)
  keepCard(mine)
})
