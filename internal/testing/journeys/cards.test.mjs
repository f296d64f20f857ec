/** A card is created, printed for a channel, changed and deleted. */
import assert from 'node:assert/strict'
import { eventually, openShop } from './harness.mjs'

const shop = await openShop()
const image = '<img src=x onerror=alert(1)>'
const logo = {
  name: 'logo.png',
  mimeType: 'image/png',
  buffer: Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
    'base64',
  ),
}

/** Returns the size of the pages of a PDF in millimetres, and how many there are. */
function paper(pdf) {
  const text = pdf.toString('latin1')
  const [, width, height] = text.match(/\/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]/)
  const millimetres = (points) => Math.round((Number(points) / 72) * 25.4)
  return [millimetres(width), millimetres(height), text.match(/\/Type\s*\/Page\b/g).length]
}

shop.test('a manager creates a card and prints its QR code', { role: 'manager' }, async (visit) => {
  const { page, open, checked, shots } = visit
  await open('/')
  await page.getByRole('link', { name: '会员卡', exact: true }).click()
  await page.getByRole('row').filter({ hasText: '示例小店' }).waitFor()
  await checked()
  await page.getByRole('link', { name: '新建会员卡' }).click()
  await page.getByLabel('网页地址').waitFor({ state: 'hidden' }) // it is for two ways to activate a card
  await page.getByLabel('商户名称').fill('晨光咖啡')
  await page.getByLabel('卡名').fill('晨光咖啡会员俱乐部年卡') // 33 bytes, and WeChat takes 27
  await page.getByLabel('蓝色').check()
  await page.getByLabel('Logo 图片').setInputFiles(logo)
  await page.getByLabel('会员特权').fill('会员日双倍积分\n生日送咖啡一杯')
  await page.getByLabel('使用须知').fill('每消费一元积一分。')
  await page.getByLabel('激活方式').selectOption('on_claim')
  await page.getByLabel('网页地址').fill('https://shop.example/member')
  await checked()
  await page.getByRole('button', { name: '创建并提交审核' }).click()
  await page.getByRole('alert').getByText('卡名').waitFor()
  assert.equal(await page.getByLabel('使用须知').inputValue(), '每消费一元积一分。')
  await page.getByLabel('卡名').fill('咖啡会员卡')
  await page.getByLabel('激活方式').selectOption('auto')
  await page.getByRole('button', { name: '创建并提交审核' }).click()
  await page.getByRole('status').getByText('已创建').waitFor()
  await checked()
  const id = new URL(page.url()).pathname.split('/').at(-1)
  await shop.wechat('POST', `/_sim/cards/${id}/approve`)

  await page.getByLabel('渠道名').fill('door')
  await page.getByRole('button', { name: '生成二维码' }).click()
  await page.getByText('微信扫一扫').waitFor()
  await checked()
  const url = await page.locator('.screen code').innerText()
  assert.deepEqual(paper(await page.pdf({ preferCSSPageSize: true })), [210, 297, 1])
  await page.getByLabel('A6').check()
  assert.deepEqual(paper(await page.pdf({ preferCSSPageSize: true })), [105, 148, 1])
  assert.equal(await page.locator('.screen code').innerText(), url)
  await shop.wechat('POST', '/_sim/phones/hong/scan-qr', { url })
  const taken = await eventually(async () => {
    const { members } = await shop.api('GET', '/v1/members')
    return members.flatMap(({ cards }) => cards).find(({ card_id }) => card_id === id)
  }, 'the card that was taken')
  assert.equal(taken.outer_str, 'door')
  await page.reload() // makes no other code
  await page.getByRole('button', { name: '生成二维码' }).waitFor()
  assert.equal(await page.getByLabel('渠道名').inputValue(), 'door')
  assert.equal(await page.locator('.poster').count(), 0)

  await shots('print')
  await open(`/cards/${id}`)
  await shots('card')
  await open('/cards/new')
  await shots('newcard')
  await open('/cards')
  await shots('cards')
})

shop.test('a card is changed, and deleted by its title', { width: 375 }, async ({ page, open, checked }) => {
  const id = await shop.createCard({ activate_url: undefined, wx_activate: true }, { use_custom_code: false })
  await open(`/cards/${id}`)
  await page.getByLabel('数量').fill('950')
  await page.getByRole('button', { name: '减少' }).click()
  await page.getByText('剩余 50').waitFor()
  await page.getByText('库存不足').waitFor()

  await page.getByText('激活表单', { exact: true }).click()
  await page.getByRole('group', { name: '性别' }).getByLabel('选填').check()
  await page.getByRole('button', { name: '保存表单' }).click()
  await page.getByText('激活表单已保存').waitFor()

  await page.getByText('开卡设置', { exact: true }).click()
  await page.getByLabel('开卡送积分').fill('100')
  await page.getByRole('button', { name: '保存设置' }).click()
  await page.getByText('设置已保存').waitFor()

  await page.getByText('修改内容', { exact: true }).click()
  const box = (locator) => locator.boundingBox()
  const field = await box(page.getByLabel('使用须知'))
  const save = await box(page.getByRole('button', { name: '保存修改' }))
  assert.ok(
    field.width > 300 && save.y > field.y + field.height,
    'the fields have the width, and the button is below',
  )
  assert.ok(save.height < 100, `the button is ${save.height} px high`)
  await page.getByLabel('使用提醒').fill('请出示此卡')
  await page.getByRole('button', { name: '保存修改' }).click()
  await page.getByText('微信要重新审核').waitFor()
  await shop.wechat('POST', `/_sim/cards/${id}/reject`, { reason: image })
  await eventually(async () => {
    const { refuse_reason } = await shop.api('GET', `/v1/cards/${id}`)
    return refuse_reason
  }, "WeChat's reason")
  await open(`/cards/${id}`)
  await page.getByText(image).waitFor()
  await checked()

  await page.getByText('删除', { exact: true }).click()
  await page.getByLabel('输入卡名以确认').fill('别的卡')
  await page.getByRole('button', { name: '删除会员卡' }).click()
  await page.getByRole('alert').getByText('和卡名不一致').waitFor()
  await page.getByLabel('输入卡名以确认').fill('金卡会员')
  await page.getByRole('button', { name: '删除会员卡' }).click()
  await page.getByText('会员卡已删除').waitFor()
  await checked()
})

shop.test('what a card has from others is text', { lang: 'en' }, async ({ page, open, checked }) => {
  const id = await shop.createCard(
    { custom_cell1: { name: '<b>礼</b>', tips: '<i>', url: 'https://shop.example/' } },
    { brand_name: '<img src=x onerror=alert(1)>', title: '<b>x</b>', use_custom_code: false },
  )
  await open('/cards')
  await page.getByRole('link', { name: '<b>x</b>' }).click()
  await page.getByText('<b>礼</b>').first().waitFor()
  await open(`/cards/${id}/print?channel=${encodeURIComponent(image)}`)
  await page.getByRole('button', { name: 'Make the QR code' }).click()
  await page.locator('.poster').getByText('<b>x</b>').waitFor()
  await page.locator('.channel').getByText(image).waitFor()
  assert.equal(await page.locator('main img, main b').count(), 0)
  await checked()
})

shop.test('a cashier has no cards', { role: 'cashier' }, async ({ page, open }) => {
  await open('/cards')
  await page.getByRole('alert').getByText('你的角色不能做这件事').waitFor()
})
