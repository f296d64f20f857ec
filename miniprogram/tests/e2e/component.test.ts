/** Journeys through WeChat's open-card component (开卡组件). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { follow, index, journey, member, nextUser, world } from './journey.ts'
import { until, type CardDraft } from './world.ts'

/** Makes the card a one-click card with WeChat's codes, which is taken through the component. */
const oneClick = (card: CardDraft) => {
  card.base_info.use_custom_code = false
  delete card.activate_url
  Object.assign(card, {
    wx_activate: true,
    wx_activate_after_submit: true,
    wx_activate_after_submit_url: 'https://shop.example/after',
  })
}

const toComponent = '填写资料并激活'
const form = { USER_FORM_INFO_FLAG_MOBILE: '13712345678', USER_FORM_INFO_FLAG_NAME: '小明' }

async function askForForm(cardId: string): Promise<void> {
  await world.admin('PUT', `/v1/cards/${cardId}/activation-form`, {
    required_form: { common_field_id_list: Object.keys(form) },
  })
}

journey(
  'a card is activated through the open-card component and its form',
  async (phone, cardId) => {
    await askForForm(cardId)
    await phone.sees(toComponent)
    const before = phone.requests.length
    await phone.tap(toComponent)
    await until(() => phone.elsewhere !== undefined, 'wx.navigateToMiniProgram')
    assert.equal(phone.requests.length, before, 'the tap makes no request')
    const { appId, extraData } = phone.elsewhere as { appId: string; extraData: Record<string, string> }
    assert.equal(appId, 'wxeb490c6f9b154ef9')
    assert.equal(extraData.outer_str, 'home')
    const shown = await phone.formAnswer(form)
    await phone.comeBack(shown)
    await phone.on(member)
    await phone.sees('使用中')
    assert.equal((await phone.wallet())[0]?.has_active, true)
    assert.equal(phone.called('addCard').length, 0)

    // WeChat may deliver the same result again.
    await phone.comeBack(shown)
    await phone.start(shown)
    await phone.sees('查看我的会员卡')
    assert.equal(phone.count('POST', '/v1/activations'), 1)
  },
  { card: oneClick },
)

journey(
  'the user returns from the component without a result, and opens it again',
  async (phone, cardId) => {
    await askForForm(cardId)
    await phone.tap(toComponent)
    await until(() => phone.elsewhere !== undefined, 'wx.navigateToMiniProgram')
    await phone.comeBack({ scene: 1038, referrerInfo: { appId: 'wxeb490c6f9b154ef9' } })
    await phone.sees(toComponent)
    assert.equal(phone.count('POST', '/v1/activations'), 0)
    await phone.tap(toComponent)
    await phone.comeBack(await phone.formAnswer(form))
    await phone.on(member)
    await phone.sees('使用中')
  },
  { card: oneClick },
)

journey(
  'the mini-program is restarted during the component, and there is no network',
  async (phone, cardId) => {
    await askForForm(cardId)
    await phone.tap(toComponent)
    const shown = await phone.formAnswer(form)
    phone.offline = true
    await phone.start({ ...shown, query: {} }) // the launch options do not name the card
    await phone.sees('网络不可用')
    await phone.start({ query: {} }) // an ordinary start, without the result: it was stored
    await phone.sees('网络不可用')
    phone.offline = false
    await phone.tap('重试')
    await phone.on(member)
    await phone.sees('使用中')
    assert.equal(phone.count('POST', '/v1/activations'), 1)
  },
  { card: oneClick },
)

journey(
  'an invalid result of the component is reported, and its error shown, once',
  async (phone, cardId) => {
    await askForForm(cardId)
    await phone.tap(toComponent)
    await world.sim('POST', '/_sim/events/faults', { event: 'submit_membercard_user_info', drop: true })
    const { referrerInfo } = await phone.formAnswer(form)
    const extraData = { ...(referrerInfo!.extraData as object), activate_ticket: 'nonsense' }
    await phone.comeBack({ scene: 1038, referrerInfo: { appId: referrerInfo!.appId, extraData } })
    await phone.sees('激活已超时，请重新填写资料')
    await phone.comeBack({ scene: 1001 })
    await phone.sees(toComponent)
    assert.equal(phone.count('POST', '/v1/activations'), 1)

    // WeChat's event activates the card, and the error message disappears.
    await phone.tap(toComponent)
    await phone.formAnswer(form)
    await until(async () => {
      await phone.comeBack({ scene: 1038 })
      return phone.shows('查看我的会员卡')
    }, 'the activation by the event')
    assert.equal(await phone.shows('激活已超时'), false)
  },
  { card: oneClick },
)

journey(
  'the component opens only in a tap, in this host as on a phone',
  async (phone) => {
    await phone.sees(toComponent)
    const said = await phone.page.evaluate(() =>
      wx.navigateToMiniProgram({ appId: 'wxeb490c6f9b154ef9' }).then(
        () => 'opened',
        (error: { errMsg: string }) => error.errMsg,
      ),
    )
    assert.match(said, /TAP gesture/)
  },
  { card: oneClick },
)

for (const given of ['encrypt_code', 'card_id']) {
  test(`激活 in the wallet opens the page with the ${given} and without a ticket: the form is offered`, async () => {
    const cardId = await world.createCard(oneClick)
    await askForForm(cardId)
    const user = nextUser()
    const taken = { card_id: cardId, outer_str: 'poster' }
    const { code } = await world.sim<{ code: string }>('POST', `/_sim/phones/${user}/scan-qr`, taken)
    await world.sim('PUT', '/_sim/guesses', { wallet_activation: given })
    const { query } = await world.sim<{ query: Record<string, string> }>(
      'POST',
      `/_sim/phones/${user}/activate`,
      { card_id: cardId, code },
    )
    await world.sim('PUT', '/_sim/guesses', { wallet_activation: 'encrypt_code' })
    const encoded = Object.entries(query).map(([name, value]) => [name, encodeURIComponent(value)])
    await follow(
      async (phone) => {
        await phone.sees(toComponent)
        // WeChat may repeat the launch without a ticket as a return from the component.
        const extraData = { card_id: cardId, code }
        await phone.comeBack({ scene: 1038, referrerInfo: { appId: 'wxeb490c6f9b154ef9', extraData } })
        await phone.tap(toComponent)
        await phone.comeBack(await phone.formAnswer(form))
        await phone.on(member)
        await phone.sees('使用中')
        assert.equal(phone.count('POST', '/v1/claims'), given === 'encrypt_code' ? 1 : 0)
        assert.equal(phone.count('POST', '/v1/activations'), 1)
        assert.equal((await phone.wallet()).length, 1)
      },
      cardId,
      { query: Object.fromEntries(encoded) as Record<string, string> },
    )
  })
}

test('a cold start by a return without a ticket shows the card', async () => {
  const cardId = await world.createCard(oneClick)
  const extraData = { card_id: cardId, code: '123' }
  await follow((phone) => phone.sees(toComponent), cardId, {
    query: {},
    launch: { scene: 1038, referrerInfo: { appId: 'wxeb490c6f9b154ef9', extraData } },
  })
})

test('a one-click card taken from a QR code in the shop: the mini-program shows it and offers the form', async () => {
  const cardId = await world.createCard(oneClick)
  await askForForm(cardId)
  const user = nextUser()
  await world.sim('POST', `/_sim/phones/${user}/scan-qr`, { card_id: cardId, outer_str: 'poster' })
  await follow(
    async (phone) => {
      await until(async () => {
        await phone.pullDown()
        return phone.shows('待激活')
      }, 'the card, through the event')
      await phone.tap(toComponent)
      await phone.on(index)
      await phone.tap(toComponent)
      await phone.comeBack(await phone.formAnswer(form))
      await phone.on(member)
      await phone.sees('使用中')
      assert.equal((await phone.wallet()).length, 1)
    },
    cardId,
    { launch: { path: member } },
  )
})
