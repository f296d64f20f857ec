/** The sandbox behind the page: simulator, public API and operator's API on one origin. */

export interface Wallet {
  card_id: string
  title: string
  brand_name: string
  code: string
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
export const addCard = (user: string, argument: unknown) =>
  ask<object>('POST', `${phone(user)}/add-card`, argument)
export const openCard = (user: string, argument: unknown) =>
  ask<object>('POST', `${phone(user)}/open-card`, argument)
export const deleteCard = (user: string, card: Wallet) =>
  ask('POST', `${phone(user)}/delete-card`, { card_id: card.card_id, code: card.code })
export const fillForm = (user: string, extraData: unknown, form: object) =>
  ask<object>('POST', `${phone(user)}/open-card-component`, { extraData, form })
export const wallet = async (user: string) =>
  (await ask<{ cards: Wallet[] }>('GET', `${phone(user)}/cards`)).cards
/** The cards that can be taken; the sandbox creates its own when it starts. */
export const demoCards = async () =>
  (await ask<{ cards: DemoCard[] }>('GET', '/_sim/cards')).cards.filter(
    (card) => card.status === 'CARD_STATUS_VERIFY_OK',
  )

export const face = (cardId: string) => ask<{ supply_balance: boolean }>('GET', `api/v1/cards/${cardId}`)

/** The shop's till: an entry of the ledger, or the level on the face. */
export const book = (card: Wallet, entry: object) =>
  ask('POST', `operator/v1/cards/${card.card_id}/codes/${card.code}/entries`, entry, {
    'idempotency-key': crypto.randomUUID(),
  })
export const promote = (card: Wallet, level: string) =>
  ask('PUT', `operator/v1/cards/${card.card_id}/codes/${card.code}/fields`, {
    custom_field1: level,
    notify: true,
  })

/** WeChat's API answers nothing any more, or everything again. */
export const breakWeChat = (broken: boolean) =>
  broken
    ? ask('POST', '/_sim/faults', { path: '*', http_status: 502, body: 'bad gateway', times: -1 })
    : ask('DELETE', '/_sim/faults')
