/** A person signs in, chooses a language, and signs out. */
import assert from 'node:assert/strict'
import { openShop, prefix } from './harness.mjs'

const shop = await openShop()

shop.test('the page says how to get in', { role: '' }, async ({ page, open, checked, shots }) => {
  await open('/members')
  assert.equal(page.url(), `${shop.url}/login`)
  await page.getByText('server login-link').waitFor()
  await page.getByText('店长和收银员：向店主要一个登录链接。').waitFor()
  await checked()
  await shots('login')
})

shop.test('a link opens the console once', { role: '', width: 375 }, async ({ page, open, checked }) => {
  const link = await shop.link('owner')
  await page.goto(link)
  await page.goto(link) // what looks at a link first does not use it up
  await checked()
  await page.getByRole('button', { name: '登录' }).click()
  await page.getByRole('heading', { name: '概览' }).waitFor()
  assert.equal(page.url(), `${shop.url}/`)
  await page.locator('header').getByText('店主', { exact: true }).waitFor()

  await page.getByRole('button', { name: '退出' }).click()
  await page.getByText('server login-link').waitFor()
  await open('/')
  assert.equal(page.url(), `${shop.url}/login`)

  await page.goto(link)
  await page.getByRole('button', { name: '登录' }).click()
  await page.getByRole('alert').getByText('链接无效').waitFor()
  await checked()
})

shop.test(
  'the language is that of the browser, until another is chosen',
  { lang: 'en' },
  async ({ page, open }) => {
    await page.getByRole('heading', { name: 'Overview' }).waitFor()
    await page.locator('header').getByText('owner', { exact: true }).waitFor()
    await page.getByRole('button', { name: '中文' }).click()
    await page.getByRole('heading', { name: '概览' }).waitFor()
    await open('/members')
    await page.getByRole('heading', { name: '会员' }).waitFor()
    assert.equal(await page.locator('html').getAttribute('lang'), 'zh-CN')
    const cookie = (await page.context().cookies()).find(({ name }) => name === 'lang')
    assert.equal(cookie.path, `${prefix}/`)
  },
)

shop.test(
  'a cashier is told what the role does not allow',
  { role: 'cashier' },
  async ({ page, open, checked }) => {
    await page.getByText('A cashier · 收银员').waitFor()
    await open('/members')
    await page.getByRole('alert').getByText('你的角色不能做这件事。').waitFor()
    await checked()
  },
)
