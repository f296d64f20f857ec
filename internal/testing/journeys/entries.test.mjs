/** What was booked is found by day, cashier and order, undone, and taken to a spreadsheet. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { openShop } from './harness.mjs'

const shop = await openShop()
const card = await shop.createCard()
const { code } = await shop.takeCard('hong', card)
const image = '<img src=x onerror=alert(1)>'
await shop.api('POST', '/v1/entries/batch', {
  entries: [
    {
      card_id: card,
      code,
      key: 'a',
      add_bonus: 30,
      order: '0012345678901234',
      store: '东门店',
      actor: '小王',
    },
    {
      card_id: card,
      code,
      key: 'b',
      add_balance: 1050,
      order: image,
      store: image,
      actor: image,
      record_balance: image,
    },
  ],
})

shop.test('an entry is found by its order and undone', { role: 'manager' }, async (visit) => {
  const { page, open, checked, shots, dialogs } = visit
  await open('/')
  await page.getByRole('link', { name: '账目' }).click()
  await page.getByText('按 Asia/Shanghai 的自然日分组').waitFor()
  await page.getByRole('row').filter({ hasText: '+10.50' }).first().waitFor()
  await checked()
  await shots('entries')
  await page.getByRole('link', { name: '0012345678901234' }).click()
  const row = page.getByRole('row').filter({ hasText: '小王' })
  await row.getByRole('button', { name: '撤销' }).click()
  assert.deepEqual(dialogs, ['撤销这一笔？'])
  await page.getByRole('status').getByText('已撤销').waitFor()
  await page.getByRole('row').filter({ hasText: '小王' }).getByText('已撤销').waitFor()
  assert.equal(await page.getByLabel('订单号').inputValue(), '0012345678901234')
})

shop.test(
  'the entries of a cashier become a workbook',
  { lang: 'en', width: 375 },
  async ({ page, open, checked }) => {
    await open('/entries?actor=' + encodeURIComponent('小王'))
    await checked()
    const downloads = page.waitForEvent('download')
    await page.getByRole('link', { name: 'Excel (XLSX)' }).click()
    const file = await downloads
    assert.equal(file.suggestedFilename(), 'entries.xlsx')
    assert.equal((await readFile(await file.path())).subarray(0, 2).toString(), 'PK')
  },
)

shop.test('what does not match, and what is no day, is said', {}, async ({ page, open, checked }) => {
  await open('/entries?store=none')
  await page.getByText('没有符合条件的账目').waitFor()
  await checked()
  await page.getByRole('link', { name: '清除筛选' }).click()
  await page.getByLabel('从').fill('2026-02-02')
  await page.getByLabel('到（含当天）').fill('2026-01-01')
  await page.getByRole('button', { name: '筛选' }).click()
  await page.getByRole('alert').getByText('query.to').waitFor()
  assert.equal(await page.getByLabel('从').inputValue(), '2026-02-02')
})
