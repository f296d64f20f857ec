/** What WeChat has refused is understood and retried: one message, some, and all that match. */
import assert from 'node:assert/strict'
import { eventually, openShop } from './harness.mjs'

const shop = await openShop()
const card = await shop.createCard()
const { code } = await shop.takeCard('hong', card)
const image = '<img src=x onerror=alert(1)>'
const update = '/card/membercard/updateuser'
let booked = 0

/** Books points that WeChat refuses, and waits until all of them are refused. */
async function refuse(times, errcode, errmsg) {
  await eventually(async () => (await waiting()) || undefined, 'an empty outbox')
  await shop.wechat('POST', '/_sim/faults', { path: update, errcode, errmsg, times })
  const before = (await shop.api('GET', '/v1/outbox')).counts.dead
  const entries = Array.from({ length: times }, () => ({
    card_id: card,
    code,
    key: `e${++booked}`,
    add_bonus: 5,
  }))
  await shop.api('POST', '/v1/entries/batch', { entries })
  await eventually(
    async () => (await shop.api('GET', '/v1/outbox')).counts.dead === before + times || undefined,
    'the refusals',
  )
}
const waiting = async () => (await shop.api('GET', '/v1/outbox')).counts.waiting === 0
const refused = async () => (await shop.api('GET', '/v1/outbox')).counts.dead

shop.test(
  'a refusal is understood and retried',
  { role: 'manager' },
  async ({ page, open, checked, shots }) => {
    await open('/pushes')
    await page.getByText('一切正常').waitFor()
    await checked()
    await refuse(2, 45021, image)
    await open('/')
    await page.getByRole('link', { name: '微信同步' }).click()
    const row = page.getByRole('row').filter({ hasText: '45021' }).first()
    await row.getByText(image).waitFor()
    await row.getByText('某一项内容太长').waitFor()
    await checked()
    await shots('pushes')
    await row.getByRole('rowheader').getByRole('link').click()
    await page.getByRole('heading', { name: '发送记录' }).waitFor()
    await page.getByRole('listitem').getByText(image).waitFor()
    await checked()
    await shots('push')
    await page.getByRole('button', { name: '重试' }).click()
    await page.getByRole('status').getByText('已重新排队').waitFor()
    await eventually(async () => (await refused()) === 1 || undefined, 'the retry')
    await page.reload()
    await page.getByRole('row').filter({ hasText: '45021' }).getByRole('button', { name: '重试' }).click()
    await eventually(async () => (await refused()) === 0 || undefined, 'the other retry')
  },
)

shop.test('all that match are retried, and the progress is seen', { width: 375 }, async (visit) => {
  const { page, open, checked, shots, dialogs, answer } = visit
  await refuse(3, 45022, 'too many')
  await refuse(2, 45023, 'too many')
  await open('/pushes')
  await page.getByLabel('错误码或微信返回的信息').fill('45022')
  await page.getByRole('button', { name: '筛选' }).click()
  await page.getByRole('link', { name: '被拒绝 3' }).click()
  assert.equal(await page.getByRole('row').count(), 4)
  assert.equal(await page.getByLabel('错误码或微信返回的信息').inputValue(), '45022')
  answer.yes = false
  await page.getByRole('button', { name: '重试全部 3 条' }).click()
  assert.deepEqual(dialogs, ['重试符合条件的全部 3 条被拒绝的消息？'])
  answer.yes = true
  await page.getByRole('button', { name: '重试全部 3 条' }).click()
  await page.getByText('已完成 · 3 / 3').waitFor()
  await page.reload()
  await page.getByText('已完成 · 3 / 3').waitFor()
  await checked()
  await shots('retry')
  await eventually(async () => (await refused()) === 2 || undefined, 'the retry')
})

shop.test(
  'some are selected with the keyboard and retried',
  { lang: 'en' },
  async ({ page, open, checked }) => {
    await refuse(2, 43010, 'no')
    await open('/pushes?state=dead&error_contains=43010')
    await page.getByRole('button', { name: 'Retry the selected' }).click()
    await page.getByRole('alert').getByText('No message is selected.').waitFor()
    await checked()
    await page.getByRole('checkbox').first().focus()
    await page.keyboard.press('Space')
    await page.getByRole('button', { name: 'Retry the selected' }).focus()
    await page.keyboard.press('Enter')
    await page.getByText('Done · 1 of 1').waitFor()
    await page.getByRole('link', { name: 'To the list' }).click()
    await page.getByText('Recent bulk retries').waitFor()
  },
)

shop.test('a cashier sees no messages', { role: 'cashier' }, async ({ page, open }) => {
  await open('/pushes').catch(() => {})
  await page.getByText('你的角色不能做这件事').waitFor()
})
