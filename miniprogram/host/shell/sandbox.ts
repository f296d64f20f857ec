/** Calls the sandbox: the simulator, the public API and the operator's API, all on one origin. */

export interface Wallet {
  card_id: string
  title: string
  brand_name: string
  code: string
  code_type: string
  status: string
  has_active: boolean
  bonus: number
  balance: number
  custom_fields?: Record<string, string>
  messages: { kind: string; text: string; at: string }[]
}

export interface DemoCard {
  card_id: string
  title: string
  status: string
}

export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly body: { errMsg?: string; detail?: { explanation?: string } },
  ) {
    super(body.errMsg ?? `HTTP ${status}`)
  }
}

export async function ask<T = unknown>(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<T> {
  const answer = await fetch(path, {
    method,
    headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  const text = await answer.text()
  const value = (text.startsWith('{') ? JSON.parse(text) : undefined) as unknown
  if (!answer.ok) throw new Refusal(answer.status, (value ?? {}) as Refusal['body'])
  return value as T
}

const phone = (user: string) => `/_sim/phones/${encodeURIComponent(user)}`

export const login = (user: string) => ask<{ code: string }>('POST', `${phone(user)}/login`)
/** Taps the button for the phone number: e.detail of the page. */
export const phoneNumber = (user: string, allowed: boolean) =>
  ask<object>('POST', `${phone(user)}/get-phone-number`, { cancel: !allowed })
export const addCard = (user: string, argument: unknown) =>
  ask<object>('POST', `${phone(user)}/add-card`, argument)
export const openCard = (user: string, argument: unknown) =>
  ask<object>('POST', `${phone(user)}/open-card`, argument)
export const deleteCard = (user: string, card: Wallet) =>
  ask('POST', `${phone(user)}/delete-card`, { card_id: card.card_id, code: card.code })
export const fillForm = (user: string, extraData: unknown, form: object) =>
  ask<object>('POST', `${phone(user)}/open-card-component`, { extraData, form })
/** Fills in the form that the wallet shows on an inactive one-click card. */
export const submitForm = (user: string, card: Wallet, form: object) =>
  ask('POST', `${phone(user)}/submit-form`, { card_id: card.card_id, code: card.code, form })
export const wallet = async (user: string) =>
  (await ask<{ cards: Wallet[] }>('GET', `${phone(user)}/cards`)).cards
/** Returns the cards that can be taken. The sandbox creates one when it starts. */
export const demoCards = async () =>
  (await ask<{ cards: DemoCard[] }>('GET', '/_sim/cards')).cards.filter(
    (card) => card.status === 'CARD_STATUS_VERIFY_OK',
  )

export const face = (cardId: string) =>
  ask<{ supply_balance: boolean; activation: string }>('GET', `api/v1/cards/${cardId}`)

/** What the shop's till does: book an entry, or set the level on the card. */
export const book = (card: Wallet, entry: object) =>
  ask('POST', `operator/v1/cards/${card.card_id}/codes/${card.code}/entries`, entry, {
    'idempotency-key': crypto.randomUUID(),
  })
export const promote = (card: Wallet, level: string) =>
  ask('PUT', `operator/v1/cards/${card.card_id}/codes/${card.code}/fields`, {
    custom_field1: level,
    notify: true,
  })

/** Creates a card with an activation form, which the open-card component or the wallet shows. */
export async function createOneClickCard(where: 'component' | 'wallet'): Promise<void> {
  const { card_id } = await ask<{ card_id: string }>('POST', 'operator/v1/cards', {
    card: { card_type: 'MEMBER_CARD', member_card: where === 'wallet' ? formCard : componentCard },
  })
  await ask('POST', `/_sim/cards/${card_id}/approve`)
  await ask('PUT', `operator/v1/cards/${card_id}/activation-form`, {
    required_form: { common_field_id_list: ['USER_FORM_INFO_FLAG_MOBILE', 'USER_FORM_INFO_FLAG_NAME'] },
  })
}

const formCard = {
  base_info: {
    logo_url: 'http://mmbiz.qpic.cn/mmbiz/demo/0',
    brand_name: '示例小店',
    title: '卡包激活会员卡',
    color: 'Color040',
    code_type: 'CODE_TYPE_QRCODE',
    notice: '结账时出示此卡',
    description: '每消费一元积一分。',
    sku: { quantity: 100 },
    date_info: { type: 'DATE_TYPE_PERMANENT' },
    get_limit: 1,
    can_share: false,
    can_give_friend: false,
  },
  supply_bonus: true,
  supply_balance: true,
  prerogative: '生日当月赠饮一杯。',
  wx_activate: true,
  custom_field1: { name_type: 'FIELD_NAME_TYPE_LEVEL', url: 'https://shop.example/level' },
}

const componentCard = {
  ...formCard,
  base_info: { ...formCard.base_info, title: '一键激活会员卡' },
  wx_activate_after_submit: true,
  wx_activate_after_submit_url: 'https://shop.example/after',
}

/** Makes WeChat's API fail, or work again. */
export const breakWeChat = (broken: boolean) =>
  broken
    ? ask('POST', '/_sim/faults', { path: '*', http_status: 502, body: 'bad gateway', times: -1 })
    : ask('DELETE', '/_sim/faults')
