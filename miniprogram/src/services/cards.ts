/** What the server does with cards, typed. Nothing else knows a path. */
import type {
  ActivateInputBody,
  ActivateOutputBody,
  CardExtOutputBody,
  ClaimOutputBody,
  ClaimedCard,
  EntriesOutputBody,
  FaceOutputBody,
  Account,
  MemberCard,
  OpenCardOutputBody,
} from './api'
import { ApiError, request, send, signIn } from './http'
import { addCard, type Added } from './wechat'

/** How taking a card ended; `card` is absent when the server could not be told, see takeCard. */
export type Taken = { kind: 'taken'; card?: MemberCard } | Exclude<Added, { kind: 'added' }>

/** A card's face needs no session, so it is there before the login. */
export const face = (cardId: string) =>
  send<FaceOutputBody>({ method: 'GET', path: `/v1/cards/${encodeURIComponent(cardId)}` })

export async function myCards(): Promise<MemberCard[]> {
  const account = (await signIn()) ?? (await request<Account>({ method: 'GET', path: '/v1/me' }))
  return account.cards
}

/**
 * The member's card of this kind, the one in the wallet before one that is not. A
 * card that was taken is reported first, if that is still to be done.
 */
export async function myCard(cardId: string): Promise<MemberCard | undefined> {
  const unheard = await report().then(
    () => undefined,
    (error: unknown) => error,
  )
  const mine = (await myCards()).filter((card) => card.card_id === cardId)
  const held = mine.find(isHeld)
  // Better no answer than the wrong one: it is in the wallet, and only the server does not know.
  if (!held && unheard && unreported().some((card) => card.cardId === cardId)) throw unheard
  return held ?? mine.find((card) => card.status === 'deleted') ?? mine[0]
}

export const isHeld = (card: MemberCard): boolean => card.status === 'claimed' || card.status === 'active'

/**
 * Takes a card through wx.addCard. The signature is asked for now and used at
 * once: each is good for one sheet. When WeChat refuses it, one more is tried.
 *
 * A card that is in the wallet is taken, even if the server cannot be told now:
 * the report is kept until it has answered, and WeChat's event tells it too.
 */
export async function takeCard(cardId: string, outerStr: string): Promise<Taken> {
  let added = await offer(cardId, outerStr)
  if (added.kind === 'bad_signature') added = await offer(cardId, outerStr)
  if (added.kind !== 'added') return added
  keep([...unreported(), ...added.cardList])
  const cards = await report().catch(() => [])
  return { kind: 'taken', card: cards.find((card) => card.card_id === cardId) }
}

async function offer(cardId: string, outerStr: string): Promise<Added> {
  const { cardList } = await request<CardExtOutputBody>({
    method: 'POST',
    path: '/v1/card-ext',
    body: { cards: [{ card_id: cardId, ...(outerStr && { outer_str: outerStr }) }] },
  })
  return addCard(cardList)
}

const unreportedKey = 'addcard.claims'
/** The server takes no more in one report. */
const mostInOne = 10

const unreported = () => wx.getStorageSync<ClaimedCard[] | ''>(unreportedKey) || []

function keep(cardList: ClaimedCard[]): void {
  if (cardList.length > 0) wx.setStorageSync(unreportedKey, cardList)
  else wx.removeStorageSync(unreportedKey)
}

/** Tells the server what was taken and not reported yet; telling it twice does no harm. */
async function report(): Promise<MemberCard[]> {
  const cardList = unreported().slice(0, mostInOne)
  if (cardList.length === 0) return []
  const settle = () => {
    const answered = new Set(cardList.map((card) => card.code))
    keep(unreported().filter((card) => !answered.has(card.code)))
  }
  try {
    const body = { cardList }
    const { cards } = await request<ClaimOutputBody>({ method: 'POST', path: '/v1/claims', body })
    settle()
    return cards
  } catch (error) {
    if (error instanceof ApiError && error.final) settle()
    throw error
  }
}

/** What the open-card component needs; fetch it before the tap. */
export const openCardParameters = (cardId: string, outerStr: string) =>
  request<OpenCardOutputBody>({
    method: 'GET',
    path: `/v1/cards/${encodeURIComponent(cardId)}/open-card${outerStr && `?outer_str=${encodeURIComponent(outerStr)}`}`,
  })

/** Activates the card that came back from the open-card component. */
export async function activate(returned: ActivateInputBody): Promise<MemberCard> {
  return (await request<ActivateOutputBody>({ method: 'POST', path: '/v1/activations', body: returned })).card
}

/** One page of what changed bonus and balance, newest first. */
export const entries = (cardId: string, code: string, cursor = '') =>
  request<EntriesOutputBody>({
    method: 'GET',
    path: `/v1/me/cards/${encodeURIComponent(cardId)}/codes/${encodeURIComponent(code)}/entries?limit=20${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
  })
