/** A member is found, gets points, and has them taken back. */
import assert from 'node:assert/strict'
import { openShop } from './harness.mjs'

const shop = await openShop()
const image = '<img src=x onerror=alert(1)>'

/** Makes a member with a card whose form has been filled in. */
async function hong() {
  const card = await shop.createCard({
    activate_url: undefined,
    wx_activate: true,
    custom_field1: { name_type: 'FIELD_NAME_TYPE_LEVEL', url: 'https://shop.example/level' },
  })
  await shop.api('PUT', `/v1/cards/${card}/activation-form`, {
    required_form: { common_field_id_list: ['USER_FORM_INFO_FLAG_MOBILE', 'USER_FORM_INFO_FLAG_NAME'] },
  })
  const { code } = await shop.takeCard('hong', card, `${image}店`)
  const form = { USER_FORM_INFO_FLAG_MOBILE: '137 1234 5678', USER_FORM_INFO_FLAG_NAME: image }
  await shop.wechat('POST', '/_sim/phones/hong/submit-form', { card_id: card, code, form })
  await shop.api('PUT', `/v1/cards/${card}/codes/${code}/fields`, { custom_field1: '<b>金</b>' })
  return code
}
const code = await hong()

shop.test('the list leads to a member', {}, async ({ page, open, checked, shots }) => {
  await open('/')
  await page.getByRole('link', { name: '会员', exact: true }).click()
  await page.getByRole('row').filter({ hasText: code }).getByRole('link').waitFor()
  await checked()
  await shots('members')
  await page.getByLabel('卡号、会员号、手机号').fill('13900000000')
  await page.keyboard.press('Enter')
  await page.getByText('没有找到').waitFor()
  await checked()
})

shop.test('a member is found by phone, gets 30 points, and has them taken back', {}, async (visit) => {
  const { page, open, checked, shots, dialogs, answer } = visit
  await open('/members')
  await page.getByLabel('卡号、会员号、手机号').fill('137-1234-5678')
  await page.getByRole('button', { name: '查找' }).click()
  await page.getByRole('heading', { name: code }).waitFor()

  await page.getByLabel('积分').fill('30')
  await page.getByText('积分 0 · 增加后 30 · 扣除后 不足').waitFor()
  await page.getByLabel('说明').fill('<img src=x>')
  await page.getByRole('button', { name: '增加' }).click()
  await page.getByRole('status').getByText('已记账').waitFor()
  const given = page.getByRole('row').filter({ hasText: '+30 → 30' })
  await given.getByText('<img src=x>').waitFor()

  answer.yes = false
  await given.getByRole('button', { name: '撤销' }).click()
  assert.deepEqual(dialogs, ['撤销这一笔？'])
  assert.equal(await page.getByText('-30 → 0').count(), 0)
  answer.yes = true
  await given.getByRole('button', { name: '撤销' }).click()
  await page.getByRole('row').filter({ hasText: '-30 → 0' }).waitFor()
  await page.getByRole('row').filter({ hasText: '+30 → 30' }).getByText('已撤销').waitFor()
  await checked()
  await shots('member')
})

shop.test(
  'of points that were spent in part, the rest is taken back',
  {},
  async ({ page, open, dialogs, shots }) => {
    await open(`/members?query=${code}`)
    await page.getByLabel('积分').fill('50')
    await page.getByRole('button', { name: '增加' }).click()
    await page.locator('.notice').getByText('积分 +50 → 50').waitFor()
    await page.getByLabel('积分').fill('20')
    await page.getByRole('button', { name: '扣除' }).click()
    await page.locator('.notice').getByText('积分 -20 → 30').waitFor()
    await shots('member-spent')
    await page.getByRole('button', { name: '撤销剩余部分' }).click()
    await page.getByText('没有收回：积分 20').waitFor()
    assert.deepEqual(dialogs, ['这一笔已用掉一部分，只能收回积分 30、余额 0.00 元。撤销？'])
  },
)

shop.test('a total beyond 2^53 is shown exactly', {}, async ({ page, open }) => {
  await open(`/members?query=${code}`)
  await page
    .locator('[data-total]')
    .first()
    .evaluate((input) => (input.dataset.total = '9007199254740993'))
  await page.getByLabel('积分').fill('2')
  await page.getByText('增加后 9007199254740995 · 扣除后 9007199254740991').waitFor()
})

shop.test(
  'what cannot be booked is said, and changes nothing',
  { width: 375 },
  async ({ page, open, checked }) => {
    await open(`/members?query=${code}`)
    await page.getByLabel('积分').fill('1000')
    await page.getByRole('button', { name: '扣除' }).click()
    await page.getByRole('alert').getByText('积分不足').waitFor()
    await checked()
  },
)

shop.test('what others have written is text', { lang: 'en' }, async ({ page, open }) => {
  await open(`/members?query=${encodeURIComponent(image)}`)
  assert.equal(await page.getByRole('searchbox').inputValue(), image)
  await open(`/members?query=${code}`)
  await page.getByText(`${image}店`).first().waitFor() // the channel
  await page.getByText('<b>金</b>').first().waitFor() // a field on the face
  await page.getByText(image, { exact: true }).first().waitFor() // the form
  assert.equal(await page.locator('img, main b').count(), 0)
})

shop.test('a card is ended and its member erased, after questions', { width: 375 }, async (visit) => {
  const { page, open, checked, dialogs, answer } = visit
  const card = await shop.createCard()
  const { code } = await shop.takeCard('lan', card)
  await open(`/members?query=${code}`)
  await page.getByText('作废这张卡').click()
  await page.getByLabel('我确认：作废后不能恢复').check()
  answer.yes = false
  await page.getByRole('button', { name: '作废' }).click()
  assert.deepEqual(dialogs, [`作废卡号 ${code}？不能恢复。`])
  answer.yes = true
  await page.getByRole('button', { name: '作废' }).click()
  await page.getByRole('status').getByText('这张卡已作废').waitFor()
  await checked()
  await page.locator('summary', { hasText: '永久删除' }).click()
  await page.getByLabel('我确认：删除后不能恢复').check()
  await page.getByRole('button', { name: '永久删除' }).click()
  await page.getByRole('status').getByText('会员资料已删除').waitFor()
})

shop.test('the fields of the face are changed', {}, async ({ page, open, checked }) => {
  await open(`/members?query=${code}`)
  await page.getByText('修改卡面信息').click()
  await page.getByLabel('等级').fill('银卡')
  await page.getByRole('button', { name: '保存' }).click()
  await page.getByRole('status').getByText('已保存').waitFor()
  await page.locator('.onphone').getByText('银卡').waitFor()
  await checked()
})
