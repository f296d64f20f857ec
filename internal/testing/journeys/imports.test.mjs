/** The members of another system: a file is tried, corrected, imported, and the people in it are found. */
import assert from 'node:assert/strict'
import { openShop } from './harness.mjs'

const shop = await openShop()
await shop.createCard()

/** @param {string} text */
const csv = (text) => ({ name: '会员.csv', mimeType: 'text/csv', buffer: Buffer.from(text) })
const heading = '手机号,姓名,积分,余额（元）\n'
const lei = '138 0013 8000,李雷,2350,12.80\n'

shop.test('a file is tried, corrected and imported', { width: 375 }, async (visit) => {
  const { page, open, checked, shots, dialogs } = visit
  await open('/imports')
  await page.getByText('还没有导入过').waitFor()
  await checked()
  const file = page.getByLabel('文件')
  await page.getByLabel('会员卡').selectOption('金卡会员')
  await file.setInputFiles(csv(`${heading}${lei}138001,韩梅梅,五,\n`))
  await page.getByRole('button', { name: '试运行' }).click()
  await page.getByText('这是试运行，没有改动任何数据').waitFor()
  await page.getByRole('row').filter({ hasText: '手机号' }).getByText('不是手机号').waitFor()
  await checked()
  await shots('import')

  await file.setInputFiles(csv(`${heading}${lei}139 0013 9000,韩梅梅,5,\n`))
  await page.getByRole('button', { name: '导入', exact: true }).click()
  await page.getByText('已完成').waitFor()
  assert.equal(await page.getByRole('heading', { name: '会员.csv' }).innerText(), '会员.csv')
  await page.getByRole('link', { name: '返回导入会员' }).click()
  await page.getByRole('row').filter({ hasText: '等待本人 2' }).waitFor()
  await checked()
  await shots('imports')

  await open('/members?query=138-0013-8000')
  const waiting = page.getByRole('region', { name: '已导入，等待本人' })
  await waiting.getByText('李雷').waitFor()
  await waiting.getByText('2350').waitFor()
  await checked()
  await shots('member-waiting')
  await waiting.getByRole('button', { name: '删除' }).click()
  await page.getByRole('status').getByText('导入账户的资料已删除').waitFor()
  assert.equal(dialogs.length, 1)
})

shop.test('the till says that an old member waits', { role: 'cashier', width: 375 }, async (visit) => {
  const { page, open, checked, shots } = visit
  await open('/till?query=13900139000')
  await page.getByText('已导入的老会员').waitFor()
  await checked()
  await shots('till-waiting')
})
