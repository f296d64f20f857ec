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
  const points = page.getByRole('figure').filter({ hasText: '发放积分' })
  const table = points.locator('table')
  assert.equal(await table.isVisible(), false)
  await points.getByText('每天的数字').click()
  const last = table.getByRole('row').last()
  await last.getByRole('cell', { name: '30', exact: true }).waitFor()
  await last.getByRole('rowheader', { name: /^\d{4}-\d\d-\d\d$/ }).waitFor()

  assert.match((await points.locator('svg title').last().textContent()) ?? '', /发放积分 30/)
  const funnel = page.getByRole('figure').filter({ hasText: '从发卡号到激活' })
  await funnel.getByRole('row', { name: '已激活 1 100%' }).waitFor()

  await page.getByRole('region', { name: '渠道' }).getByRole('rowheader', { name: 'sandbox' }).waitFor()
  await page.getByText('时间按 Asia/Shanghai 显示').waitFor()
  await page.getByText('用 curl 做同样的事').click()
  await page.getByText(`"$CONSOLE"'/v1/statistics'`).waitFor()
  await checked()
  await shots('overview')
})

shop.test(
  'the figures are those of the card that is chosen',
  { width: 375 },
  async ({ page, open, checked }) => {
    const other = await shop.createCard({}, { title: '金卡会员' })
    await open('/')
    await page.getByLabel('会员卡', { exact: true }).selectOption(other)
    await page.getByRole('button', { name: '查看' }).click()
    await page.getByText('这段时间还没有人领卡').waitFor()
    assert.equal(new URL(page.url()).searchParams.get('card_id'), other)
    await checked()
  },
)

shop.test('what the server has found about itself appears by itself', {}, async ({ page, open }) => {
  await open('/')
  await page.getByText('检查于').waitFor() // no reload: the section is live
  await page.getByText('请去掉 WECHAT_API_URL').waitFor()
  // What a person has closed is closed after the next refresh, too.
  const server = page.locator('#live-server')
  await server.locator('summary').click()
  await page.evaluate(() => document.activeElement?.blur())
  await server.evaluate((element) => element.setAttribute('data-old', ''))
  await page.locator('#live-server:not([data-old])').waitFor()
  assert.equal(await server.locator('details').evaluate((details) => details.open), false)
  await page.getByRole('link', { name: '卡券票据' }).click()
  await page.getByRole('heading', { name: '卡券票据' }).waitFor()
})

shop.test('a manager sees it in English', { role: 'manager', lang: 'en' }, async ({ page, open }) => {
  await open('/')
  await page.getByRole('heading', { name: 'Overview' }).waitFor()
  await page.getByText('A manager · manager').waitFor()
  await page.getByRole('region', { name: 'Today' }).getByText('Points given').waitFor()
})
