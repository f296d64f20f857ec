/** The English texts. They are chosen when the texts are loaded, so this is a process of its own. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { fakeWx, signsIn, type FakeWx, type Reply } from './fake.ts'
import { openPage, settle } from './page.ts'

let wx: FakeWx

before(() => {
  wx = fakeWx()
  wx.language = 'en'
})

test('one point is not "1 points"', async () => {
  const entry = (id: string, add_bonus: number) => ({
    id,
    add_bonus,
    add_balance: 0,
    created_at: '2026-11-29T01:31:00Z',
  })
  const mine = { card_id: 'p1', code: '123', status: 'active', bonus: 1, balance: 0 }
  wx.server = signsIn(({ url }): Reply => {
    const { pathname } = new URL(url)
    if (pathname === '/v1/me') return { data: { id: 'm', cards: [mine] } }
    if (pathname.endsWith('/entries'))
      return { data: { entries: [entry('e3', 1), entry('e2', -1), entry('e1', 30)] } }
    return { data: { card_id: 'p1', title: 'Gold' } }
  })
  wx.storage.set('addcard.session', { token: 't', expiresAt: Date.now() + 3_600_000 })
  const page = await openPage(wx, 'member')
  await settle()
  const rows = page.data.rows as { changes: { text: string }[] }[]
  assert.deepEqual(
    rows.map((row) => row.changes[0]!.text),
    ['+1 point', '-1 point', '+30 points'],
  )
})

test('an error says what to do, and has its number on a line of its own', async () => {
  const { explained, staleSince } = await import('../../src/texts.ts')
  const { ApiError } = await import('../../src/services/http.ts')
  const wait = (seconds: number) => explained(new ApiError('rate_limited', '', 429, 'abcdef12-3456', seconds))
  assert.equal(wait(30), 'Too many requests. Please try again in 30 seconds')
  assert.equal(wait(1), 'Too many requests. Please try again in 1 second')
  const fault = new ApiError('internal', '', 500, 'abcdef12-3456')
  assert.equal(
    staleSince(fault, new Date(2026, 10, 30, 18, 31).getTime()),
    'The service is unavailable. Please try again later\nLast updated 2026-11-30 18:31\nError ID abcdef12',
  )
})

test('no text is left in Chinese', async () => {
  const { fieldName, texts } = await import('../../src/texts.ts')
  const all = [
    ...Object.values(texts),
    fieldName({ field: 'custom_field1', name_type: 'FIELD_NAME_TYPE_SET_POINTS' }),
  ]
  assert.deepEqual(
    all.filter((text) => /[\u2e80-\uffef]/.test(text)),
    [],
  )
})
