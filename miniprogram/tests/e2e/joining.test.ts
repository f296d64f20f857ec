/** Journeys around taking a card: phone number, consent, profile, messages, sharing, activation, updates. */
import assert from 'node:assert/strict'
import type { Host } from '../../host/runtime/phone.ts'
import { browser, follow, index, journey, member, take, world } from './journey.ts'
import { TestPhone } from './phone.ts'
import { until } from './world.ts'

declare const window: { host: Host }

const bindPhone = '手机号 一键绑定'

journey(
  'the phone number is given with one tap, after the consent',
  async (phone, cardId) => {
    await take(phone)
    await phone.tap(bindPhone)
    await phone.sees('《示例小店小程序隐私保护指引》')
    await phone.tap('拒绝')
    await phone.sees('需要先同意隐私保护指引')
    assert.equal(phone.called('getPhoneNumber').length, 0, 'WeChat waits for the consent')

    await phone.tap(bindPhone)
    await phone.tap('同意')
    await phone.sees(/1\d\d\*{4}\d{4}/)
    assert.equal(phone.count('POST', '/v1/me/phone'), 1)
    await phone.start({ path: member })
    await phone.sees(/1\d\d\*{4}\d{4}/)

    const query = { card_id: cardId }
    const second = await TestPhone.open(browser, world, phone.user, { query, launch: { path: member } })
    await second.sees(/1\d\d\*{4}\d{4}/)
    assert.equal(second.count('POST', '/v1/me/phone'), 0, 'the server has the number')
    await second.close()
  },
  { settings: { privacyAgreed: false } },
)

journey('a refusal, a shop without quota, and a number of another member have words', async (phone) => {
  const number = { phone: '13800138000' }
  const holder = 'holder-of-the-number'
  await world.sim('PUT', `/_sim/phones/${holder}`, number)
  await world.sim('PUT', `/_sim/phones/${phone.user}`, number)
  await giveNumber(holder)

  await take(phone)
  phone.phoneButton = { cancel: true }
  await phone.tap(bindPhone)
  await phone.sees('未授权手机号')
  const top = async (text: string) => (await phone.top().getByText(text).boundingBox())!.y
  assert.ok((await top('未授权手机号')) < (await top('头像和昵称')), 'below its own row')
  phone.phoneButton = {}
  await phone.tap(bindPhone)
  await phone.sees('该手机号已属于其他会员')
  phone.answers.getPhoneNumber = { errMsg: 'getPhoneNumber:fail jsapi has no permission', errno: 1400001 }
  await phone.tap(bindPhone)
  await phone.sees('暂时无法获取手机号')
})

/** Records the number of a user who has no browser. */
async function giveNumber(user: string): Promise<void> {
  const post = async <T>(path: string, body: object, token = ''): Promise<T> => {
    const answer = await fetch(world.baseUrl + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
      body: JSON.stringify(body),
    })
    assert.equal(answer.status, 200, path)
    return (await answer.json()) as T
  }
  const codeOf = async (action: string) =>
    (await world.sim<{ code: string }>('POST', `/_sim/phones/${user}/${action}`, {})).code
  const { token } = await post<{ token: string }>('/v1/session', { code: await codeOf('login') })
  await post('/v1/me/phone', { code: await codeOf('get-phone-number') }, token)
}

journey(
  'a shop can ask for the phone number before the card is taken',
  async (phone) => {
    await phone.sees('领取需要验证手机号')
    phone.phoneButton = { cancel: true }
    await phone.tap('手机号快捷领取')
    await phone.sees('未授权手机号')
    assert.equal(phone.count('POST', '/v1/card-ext'), 0)
    phone.phoneButton = {}
    await phone.tap('手机号快捷领取')
    await phone.on(member)
    assert.equal(phone.count('POST', '/v1/me/phone'), 1)
  },
  { edit: (script) => script.replace('phone: "after"', 'phone: "before"') },
)

journey('avatar and nickname stay on the phone', async (phone) => {
  await take(phone)
  await phone.tap('头像和昵称 去填写')
  await phone.sees('仅保存在本机')
  await phone.tap('选择头像')
  await phone.top().getByLabel('昵称').fill('小红')
  const before = phone.requests.length
  await phone.tap('保存')
  await phone.sees('小红')
  assert.equal(phone.requests.length, before, 'nothing is sent')
  await phone.start({ path: member })
  await phone.sees('小红')
})

journey(
  'the member subscribes to messages with a tap',
  async (phone) => {
    await take(phone)
    await phone.tap('会员通知 订阅')
    await phone.sees('已订阅')
    assert.deepEqual(phone.called('requestSubscribeMessage'), [{ tmplIds: ['template-1'] }])
  },
  { edit: (script) => script.replace('templates: []', 'templates: ["template-1"]') },
)

journey('a shared card is taken with the channel of sharing', async (phone, cardId) => {
  await phone.sees('示例小店')
  const shared = await phone.page.evaluate(() => window.host.share())
  assert.equal(shared.timeline?.query, `card_id=${cardId}&outer_str=share`)
  const [path, search] = shared.message!.path!.split('?')
  assert.equal(path, `/${index}`)
  const query = Object.fromEntries(new URLSearchParams(search))
  await follow(
    async (friend) => {
      await take(friend)
      const [offer] = friend.called('addCard') as { cardList: { cardExt: string }[] }[]
      assert.match(offer!.cardList[0]!.cardExt, /"outer_str":"share"/)
      await friend.tap('分享给好友')
      await until(() => friend.called('share').length === 1, 'sharing with the button')
      const [again] = friend.called('share') as { path: string; imageUrl: string }[]
      assert.equal(again!.path, shared.message!.path)
      assert.match(again!.imageUrl, /^https:/, 'no picture of the page')
    },
    cardId,
    { query },
  )
})

journey(
  'in the timeline the card is only shown, and no login is tried',
  async (phone) => {
    await phone.sees('点击下方“前往小程序”领取会员卡')
    await phone.sees('会员日双倍积分')
    assert.equal(await phone.top().getByRole('button').count(), 0)
    assert.equal(phone.called('login').length, 0)
  },
  { launch: { scene: 1154 } },
)

journey(
  'a form in the wallet: the member is led there, and the card becomes active',
  async (phone, cardId) => {
    await phone.sees('领取后在微信卡包中填写资料')
    await phone.tap('立即领取')
    await phone.on(member)
    await phone.sees('待激活')
    await phone.tap('去卡包填写资料')
    const [card] = await phone.wallet()
    await until(() => phone.called('openCard').length === 1, 'wx.openCard')
    await world.sim('POST', `/_sim/phones/${phone.user}/submit-form`, {
      card_id: cardId,
      code: card!.code,
      form: { USER_FORM_INFO_FLAG_MOBILE: '13900139000' },
    })
    await phone.pullDown()
    await phone.sees('使用中')
  },
  {
    card: (card) => {
      delete card.activate_url
      card.wx_activate = true
    },
  },
)

journey(
  'a new version is used after the user has agreed to restart',
  async (phone) => {
    await until(() => phone.called('applyUpdate').length === 1, 'the restart')
    assert.match(JSON.stringify(phone.called('showModal')), /新版本/)
  },
  { settings: { updateReady: true } },
)

journey(
  'a WeChat without cards says so, and no code is used',
  async (phone) => {
    await phone.tap('立即领取')
    await phone.sees('请在手机微信中打开')
    assert.equal(phone.count('POST', '/v1/card-ext'), 0)
  },
  { settings: { lacks: ['addCard'] } },
)
