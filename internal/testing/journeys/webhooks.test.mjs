/** Webhooks: an endpoint is added and tested, what fails is understood, and it is sent again. */
import assert from 'node:assert/strict'
import { eventually, openShop } from './harness.mjs'

// The sandbox's own CRM is an endpoint from the beginning; it fails when it is told.
const shop = await openShop()
const crm = (await shop.api('GET', '/v1/webhooks')).webhooks[0]
const card = await shop.createCard()
const { code } = await shop.takeCard('hong', card)
const image = '<img src=x onerror=alert(1)>'

shop.test(
  'what fails is understood and sent again',
  { width: 375 },
  async ({ page, open, checked, shots }) => {
    await shop.crm('fail')
    await shop.api('POST', `/v1/cards/${card}/codes/${code}/entries`, { add_bonus: 7 })
    await eventually(
      async () => (await shop.api('GET', `/v1/webhooks/${crm.id}`)).last_error?.includes('500') || undefined,
      'a failure',
    )
    await open('/')
    await page.getByRole('link', { name: 'Webhook', exact: true }).click()
    const endpoint = page.getByRole('region', { name: crm.description })
    await endpoint.getByText('500').waitFor()
    await checked()
    await shots('webhooks')
    await endpoint.getByRole('link', { name: crm.description }).click()
    await page.getByLabel('状态').selectOption('待送达')
    await page.getByRole('button', { name: '筛选' }).click()
    const row = page.getByRole('row').filter({ hasText: '记账' })
    await row.getByText('500').waitFor()
    await checked()
    await shots('webhook')
    await shop.crm('ok')
    await row.getByRole('button', { name: '现在发送' }).click()
    await page.getByRole('status').getByText('已重新排队 1 条').waitFor()
    await eventually(
      async () => (await shop.api('GET', `/v1/webhooks/${crm.id}`)).waiting === 0 || undefined,
      'the delivery',
    )
    const filter = page.getByRole('search')
    await filter.getByLabel('状态').selectOption('已送达')
    await filter.getByLabel('事件').selectOption('记账')
    await page.getByRole('button', { name: '筛选' }).click()
    await page.getByRole('row').filter({ hasText: code }).getByRole('button', { name: '再发一次' }).waitFor()
  },
)

shop.test('an endpoint is added, tested, switched off and deleted', { lang: 'en' }, async (visit) => {
  const { page, open, checked, shots, dialogs } = visit
  await open('/webhooks')
  await page.getByText('Add an endpoint').click()
  await page.getByLabel('URL').fill('https://127.0.0.1:1/hook')
  await page.getByLabel('Name').fill(image)
  await page.getByLabel('All events').uncheck()
  await page.getByLabel('Ledger entry').check()
  await page.getByRole('button', { name: 'Add', exact: true }).click()
  await page.getByRole('heading', { name: image }).waitFor()
  assert.match(await page.locator('#secret').innerText(), /^whsec_[A-Za-z0-9+/]{43}=$/)
  await checked()
  await page.reload()
  await page.getByRole('heading', { name: 'Deliveries' }).waitFor()
  assert.equal(await page.locator('#secret').count(), 0)

  await page.getByRole('button', { name: 'Send a test' }).click()
  await page.getByRole('status').getByText('The test was not delivered').waitFor()
  await checked()
  await shots('webhook-new')
  await page.getByRole('button', { name: 'Switch off' }).click()
  await page.getByRole('status').getByText('Switched off').waitFor()
  await page.getByRole('button', { name: 'Replace the secret' }).click()
  await page.locator('#secret').waitFor()
  await page.getByRole('link', { name: 'To the endpoint' }).click()
  await page.getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('status').getByText('Deleted').waitFor()
  assert.equal(await page.getByRole('heading', { name: image }).count(), 0)
  assert.equal(dialogs.length, 3)
})

shop.test('a range of time is sent again', {}, async ({ page, open, checked }) => {
  await open(`/webhooks/${crm.id}`)
  await page.getByText('补发一段时间的事件').click()
  await page.getByLabel('从', { exact: true }).fill('2026-11-01T00:00')
  await page.getByLabel('到', { exact: true }).fill('2099-01-01T00:00')
  await page.getByRole('group', { name: '只补发这些事件' }).getByLabel('新会员').check()
  await page.getByRole('button', { name: '补发', exact: true }).click()
  await page
    .getByRole('status')
    .getByText(/已重新排队 [1-9]/)
    .waitFor()
  await checked()
})

shop.test('a manager has no webhooks', { role: 'manager' }, async ({ page, open, expected }) => {
  expected.push(/^403: GET/)
  await open('/webhooks').catch(() => {})
  await page.getByText('你的角色不能做这件事').waitFor()
})
