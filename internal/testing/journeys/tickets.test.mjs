/** The tickets are shown without their values, and the owner has one replaced. */
import assert from 'node:assert/strict'
import { eventually, openShop } from './harness.mjs'

const shop = await openShop()
const value = async () => (await shop.api('GET', '/v1/tickets/wx_card')).value

shop.test('the owner has a ticket replaced', {}, async ({ page, open, checked, shots, dialogs }) => {
  const before = await value()
  await open('/')
  await page.getByRole('link', { name: '票据', exact: true }).click()
  const ticket = page.getByRole('region', { name: '卡券票据' })
  await ticket.getByText('可用', { exact: true }).waitFor()
  await checked()
  await shots('tickets')
  await ticket.getByRole('button', { name: '作废当前值' }).click()
  await page.getByRole('status').getByText('已作废').waitFor()
  assert.deepEqual(dialogs, ['作废当前的值并重新获取？'])
  const after = await eventually(async () => {
    const now = await value()
    return now === before ? undefined : now
  }, 'another ticket')
  const text = await page.content()
  assert.ok(!text.includes(before) && !text.includes(after), 'the page has a value')
})

shop.test(
  'a manager sees them on a phone',
  { role: 'manager', lang: 'en', width: 375 },
  async ({ page, open, checked }) => {
    await open('/tickets')
    await page.locator('#access_token').waitFor()
    assert.equal(await page.getByRole('button', { name: 'Reject the value' }).count(), 0)
    await checked()
  },
)
