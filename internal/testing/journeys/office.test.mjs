/** The owner's back office: staff, settings, the audit log, and why a phone refuses a card. */
import assert from 'node:assert/strict'
import { openShop } from './harness.mjs'

const shop = await openShop()
const card = await shop.createCard()
const image = '<img src=x onerror=alert(1)>'

for (const width of [1280, 375]) {
  shop.test(`a person is added, signs in and is removed, at ${width} px`, { width }, async (visit) => {
    const { page, open, checked, shots, dialogs } = visit
    const name = `${image} ${width}`
    await open('/')
    await page.getByRole('link', { name: '员工', exact: true }).click()
    await checked()
    await page.getByLabel('姓名').fill(name)
    await page.getByLabel('角色').selectOption('cashier')
    await page.getByRole('button', { name: '添加员工' }).click()
    await page.getByRole('img', { name: '登录链接的二维码' }).waitFor()
    const link = await page.locator('#secret').innerText()
    assert.ok(link.startsWith(`${shop.url}/login?link=addcard_`), link)
    assert.equal(page.url(), `${shop.url}/staff`) // so that it is not asked for again
    await checked()

    const tablet = await page.context().browser().newContext()
    const cashier = await tablet.newPage()
    await cashier.goto(link)
    await cashier.locator('main button').click()
    await cashier.locator('header form[action$="/logout"]').waitFor()

    await page.reload()
    assert.equal(await page.locator('#secret').count(), 0)
    const person = page.getByRole('region', { name })
    await person.getByText('已登录的浏览器').waitFor()
    await person.getByText('生成 API 令牌').click()
    await person.getByLabel('用途').fill('till 1')
    await person.getByRole('button', { name: '生成', exact: true }).click()
    assert.match(await page.locator('#secret').innerText(), /^addcard_/)
    await page.getByRole('link', { name: '返回员工列表' }).click()
    const token = person.getByRole('listitem').filter({ hasText: '令牌 · till 1' })
    await token.getByRole('button', { name: '吊销' }).click()
    await page.getByRole('status').getByText('已吊销').waitFor()
    assert.equal(await token.count(), 0)
    await checked()
    await shots('staff')

    await person.getByRole('button', { name: '移除' }).click()
    await page.getByRole('status').getByText('已移除').waitFor()
    assert.equal(await person.count(), 0)
    assert.deepEqual(dialogs, ['吊销？立即失效。', `移除 ${name}？所有登录和令牌立即失效。`])
    await cashier.reload()
    await cashier.getByText('server login-link').waitFor()
    await tablet.close()
  })

  shop.test(
    `settings are changed, and the log has it, at ${width} px`,
    { role: 'manager', width },
    async (visit) => {
      const { page, open, checked, shots } = visit
      await open('/settings')
      await checked()
      await page.getByLabel('每天积分').fill(String(5000 + width))
      await page.getByRole('button', { name: '保存' }).click()
      await page.getByRole('status').getByText('已保存').waitFor()
      await shots('settings')
      await page.getByRole('link', { name: '全部修改记录' }).click()
      await page.getByText(`→ ${5000 + width}`).waitFor()
      await page.getByText('控制台 · 127.0.0.1').first().waitFor()
      await page.locator('select[name=action]').selectOption({ label: '添加员工' })
      await page.getByRole('button', { name: '查找' }).click()
      await page.getByText('A manager').first().waitFor()
      assert.equal(await page.getByText(`→ ${5000 + width}`).count(), 0)
      await checked()
      await shots('audit')
    },
  )
}

shop.test(
  'a value that is not a number is kept and named',
  { lang: 'en' },
  async ({ page, open, checked }) => {
    await open('/settings')
    const points = page.getByLabel('Points in one entry')
    await points.evaluate((field) => field.removeAttribute('pattern'))
    await points.fill('many')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('alert').getByText('Enter whole numbers').waitFor()
    assert.equal(await points.inputValue(), 'many')
    await checked()
  },
)

for (const width of [1280, 375]) {
  shop.test(`a refused card is explained, at ${width} px`, { role: 'manager', width }, async (visit) => {
    const { page, open, checked, shots } = visit
    await open('/explain')
    await checked()
    await page.getByRole('button', { name: '用这个例子试试' }).click()
    await page.getByRole('alert').getByText('签名不正确').waitFor()
    await page.getByText('签名时间和现在相差 10 分钟以上').waitFor()
    const { list } = await shop.sign('hong', card)
    const pasted = page.getByLabel('cardList，或者一个 cardExt')
    await pasted.fill(JSON.stringify(list))
    await page.getByRole('button', { name: '检查' }).click()
    await page.getByRole('status').getByText('签名正确').waitFor()
    const ext = JSON.parse(list.cardList[0].cardExt)
    list.cardList[0].cardExt = JSON.stringify({ ...ext, nonce_str: image })
    await pasted.fill(JSON.stringify(list))
    await page.getByRole('button', { name: '检查' }).click()
    await page.getByText('不是任何一种常见错误').waitFor()
    await page.getByRole('listitem').getByText(image).waitFor()
    await checked()
    await shots('explain')
  })
}

shop.test('a cashier opens none of it', { role: 'cashier' }, async ({ page, open }) => {
  const answers = []
  for (const path of ['/staff', '/audit', '/settings', '/explain']) {
    const response = page.waitForResponse((answer) => answer.url() === shop.url + path)
    await open(path)
    answers.push((await response).status())
    await page.getByRole('alert').getByText('你的角色不能做这件事').waitFor()
  }
  assert.deepEqual(answers, [403, 403, 403, 403])
})

shop.test('an unknown address is a page', { lang: 'en' }, async ({ page, open, checked }) => {
  await open('/nowhere')
  await page.getByRole('alert').getByText('There is no such page').waitFor()
  await checked()
})
