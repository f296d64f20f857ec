/** The first page shows what the shop has done. */
import assert from 'node:assert/strict'
import { eventually, openShop } from './harness.mjs'

const shop = await openShop()

shop.test('the figures of today and of each day appear', {}, async ({ page, open, checked, shots }) => {
  // The user of the sandbox has taken a card, and got 30 points. Figures are counted in the background.
  await eventually(async () => {
    const { total } = await shop.api('GET', '/v1/statistics')
    return total.claimed === 1 && total.bonus_given === 30 ? total : undefined
  }, 'the figures')
  await open('/')
  const today = page.getByRole('region', { name: '今天' })
  const figure = (name) => today.locator('div', { has: page.getByText(name, { exact: true }) }).locator('dd')
  await figure('已领取').getByText('1', { exact: true }).waitFor()
  await figure('发放积分').getByText('30', { exact: true }).waitFor()

  // Behind each plot there is a table, which is closed at first.
  const table = page.getByRole('region', { name: ' 至 ' }).locator('table')
  assert.equal(await table.isVisible(), false)
  await page.getByText('每天的数字').click()
  const last = table.getByRole('row').last()
  await last.getByRole('cell', { name: '30', exact: true }).waitFor()
  await last.getByRole('rowheader', { name: /^\d{4}-\d\d-\d\d$/ }).waitFor()

  await page.getByRole('region', { name: '渠道' }).getByRole('rowheader', { name: 'sandbox' }).waitFor()
  await page.getByText('时间按 Asia/Shanghai 显示').waitFor()
  await page.getByText('用 curl 做同样的事').click()
  await page.getByText(`"$CONSOLE"'/v1/statistics'`).waitFor()
  await checked()
  await shots('overview')
})

shop.test('a manager sees it in English', { role: 'manager', lang: 'en' }, async ({ page, open }) => {
  await open('/')
  await page.getByRole('heading', { name: 'Overview' }).waitFor()
  await page.getByText('A manager · manager').waitFor()
  await page.getByRole('region', { name: 'Today' }).getByText('Points given').waitFor()
})
