/** The server's API for cards, with types. No other file contains API paths. */
import type {
  ActivateInputBody,
  ActivateOutputBody,
  CardExtOutputBody,
  ClaimOutputBody,
  ClaimedCard,
  EntriesOutputBody,
  Face,
  Account,
  MemberCard,
  OpenCardOutputBody,
  PhoneOutputBody,
} from './api'
import { ApiError, request, send, signIn } from './http'
import { forgetCard, forgetFace, keepCard, keepFace } from './memory'
import { addCard, canAddCard, decoded, type Added } from './wechat'

/** The outcome of takeCard. */
export type Taken = { kind: 'taken' } | Exclude<Added, { kind: 'added' }>

/** A card's face needs no session, so it can be read before the login. It is remembered, see memory.ts. */
export async function face(cardId: string): Promise<Face> {
  try {
    const shown = secure(await send<Face>({ method: 'GET', path: `/v1/cards/${encodeURIComponent(cardId)}` }))
    keepFace(shown)
    return shown
  } catch (error) {
    if (error instanceof ApiError && error.code === 'card_not_found') forgetFace(cardId)
    throw error
  }
}

/** WeChat gives addresses of pictures with http. Its servers know https, which mini-programs should load. */
const secure = (shown: Face): Face => ({
  ...shown,
  ...(shown.logo_url && { logo_url: https(shown.logo_url) }),
  ...(shown.background_pic_url && { background_pic_url: https(shown.background_pic_url) }),
})

const https = (url: string) => url.replace(/^http:/, 'https:')

export async function myCards(): Promise<MemberCard[]> {
  const account = (await signIn()) ?? (await request<Account>({ method: 'GET', path: '/v1/me' }))
  return account.cards
}

/**
 * The member's card with this card_id, preferably one in the wallet. Cards that
 * were taken but not claimed yet are claimed first. It is remembered, see memory.ts.
 */
export async function myCard(cardId: string): Promise<MemberCard | undefined> {
  const failure = await report().then(
    () => undefined,
    (error: unknown) => error,
  )
  const mine = (await myCards()).filter((card) => card.card_id === cardId)
  const held = mine.find(isHeld)
  // The card is in the wallet but the server does not know: an error is better than a wrong answer.
  if (!held && failure && isClaiming(cardId)) throw failure
  const card = held ?? mine.find((card) => card.status === 'deleted') ?? mine[0]
  if (card) keepCard(card)
  else forgetCard(cardId)
  return card
}

export const isHeld = (card: MemberCard): boolean => card.status === 'claimed' || card.status === 'active'

/**
 * Takes a card with wx.addCard. Each signature works once, so it is requested
 * now and used at once. If WeChat refuses it, a second one is tried.
 *
 * Returns as soon as the card is in the wallet; it is claimed beside. A claim that
 * cannot be sent is stored and sent with the next look, and WeChat's event informs
 * the server as well.
 */
export async function takeCard(cardId: string, outerStr: string): Promise<Taken> {
  if (!canAddCard()) return { kind: 'unsupported' }
  let added = await offer(cardId, outerStr)
  if (added.kind === 'bad_signature') added = await offer(cardId, outerStr)
  if (added.kind !== 'added') return added
  keep([...unreported(), ...added.cardList])
  void report().catch(() => undefined)
  return { kind: 'taken' }
}

/** Whether the card is in the wallet, and the server has not confirmed it yet. */
export const isClaiming = (cardId: string): boolean => unreported().some((card) => card.cardId === cardId)

async function offer(cardId: string, outerStr: string): Promise<Added> {
  const { cardList } = await request<CardExtOutputBody>({
    method: 'POST',
    path: '/v1/card-ext',
    body: { cards: [{ card_id: cardId, ...(outerStr && { outer_str: outerStr }) }] },
  })
  return addCard(cardList)
}

const unreportedKey = 'addcard.claims'
/** The server accepts at most this many cards in one claim. */
const maxClaimed = 10

const unreported = () => wx.getStorageSync<ClaimedCard[] | ''>(unreportedKey) || []

function keep(cardList: ClaimedCard[]): void {
  if (cardList.length > 0) wx.setStorageSync(unreportedKey, cardList)
  else wx.removeStorageSync(unreportedKey)
}

/**
 * Keeps the code of a card that the user opened with 激活 in the wallet, where
 * WeChat gives the page an encrypt_code and no activate_ticket. myCard claims it,
 * so that the server learns of a card that was taken outside the mini-program.
 */
export function claimFromWallet(cardId: string, encryptCode = ''): void {
  const code = decoded(encryptCode)
  if (!code || unreported().some((card) => card.code === code)) return
  keep([...unreported(), { cardId, code }])
}

let reporting: Promise<void> | undefined

/** Claims the cards that were taken and are not claimed yet. Concurrent callers share the claims, and their error. */
function report(): Promise<void> {
  reporting ??= claimAll().finally(() => {
    reporting = undefined
  })
  return reporting
}

async function claimAll(): Promise<void> {
  for (let cardList = nextClaims(); cardList.length > 0; cardList = nextClaims()) {
    try {
      await request<ClaimOutputBody>({ method: 'POST', path: '/v1/claims', body: { cardList } })
    } catch (error) {
      // A refused claim is answered, too. Repeating any other one does no harm.
      if (!(error instanceof ApiError && error.final)) throw error
    }
    const answered = new Set(cardList.map((card) => card.code))
    keep(unreported().filter((card) => !answered.has(card.code)))
  }
}

const nextClaims = () => unreported().slice(0, maxClaimed)

/** Parameters for the open-card component. Fetch them before the tap. */
export const openCardParameters = (cardId: string, outerStr: string) =>
  request<OpenCardOutputBody>({
    method: 'GET',
    path: `/v1/cards/${encodeURIComponent(cardId)}/open-card${outerStr && `?outer_str=${encodeURIComponent(outerStr)}`}`,
  })

/** Activates the card of a result of the open-card component. */
export async function activate(returned: ActivateInputBody): Promise<MemberCard> {
  return (await request<ActivateOutputBody>({ method: 'POST', path: '/v1/activations', body: returned })).card
}

/** A page of the card's ledger entries, newest first. */
export const entries = (cardId: string, code: string, cursor = '') =>
  request<EntriesOutputBody>({
    method: 'GET',
    path: `/v1/me/cards/${encodeURIComponent(cardId)}/codes/${encodeURIComponent(code)}/entries?limit=20${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
  })

/** Records the phone number of a code of the button getPhoneNumber. Repeating it with the same code does no harm. */
export const recordPhone = (code: string) =>
  request<PhoneOutputBody>({ method: 'POST', path: '/v1/me/phone', body: { code } })
