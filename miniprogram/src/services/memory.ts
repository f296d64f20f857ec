/**
 * Remembers the last face and the last card of each card_id, so that a page can
 * show them at once, and without a network; and the member's phone number. WeChat
 * keeps the storage of its users apart; what is the member's is also forgotten when
 * another member logs in.
 */
import type { Face, MemberCard } from './api'

export interface Remembered<T> {
  value: T
  /** When the server said so, in milliseconds since 1970, by the phone's clock. */
  at: number
}

interface Memory {
  member: string
  /** Without its middle; '' if it is not known. */
  phone: string
  /** Newest first. */
  faces: Remembered<Face>[]
  cards: Remembered<MemberCard>[]
}

const storageKey = 'addcard.memory'
/** How many faces and cards are remembered. */
const limit = 8

export const lastFace = (cardId: string): Remembered<Face> | undefined => of(cardId, recall().faces)

export const lastCard = (cardId: string): Remembered<MemberCard> | undefined => of(cardId, recall().cards)

export function keepFace(face: Face): void {
  const memory = recall()
  store({ ...memory, faces: [now(face), ...others(face.card_id, memory.faces)].slice(0, limit) })
}

export function keepCard(card: MemberCard): void {
  const memory = recall()
  store({ ...memory, cards: [now(card), ...others(card.card_id, memory.cards)].slice(0, limit) })
}

/** Forgets a card that does not exist any more. */
export function forgetFace(cardId: string): void {
  const memory = recall()
  store({ ...memory, faces: others(cardId, memory.faces) })
}

/** Forgets the member's card, because the server says that there is none. */
export function forgetCard(cardId: string): void {
  const memory = recall()
  store({ ...memory, cards: others(cardId, memory.cards) })
}

/** Forgets what is of every other member. Call it after a login, with the number that the server has, or ''. */
export function keepFor(member: string, phone: string): void {
  const memory = recall()
  if (memory.member !== member) store({ ...memory, member, phone, cards: [] })
  else if (phone) store({ ...memory, phone })
}

export function keepPhone(phone: string): void {
  store({ ...recall(), phone })
}

/** The member's phone number without its middle; '' if it is not known. */
export const lastPhone = (): string => recall().phone

const now = <T>(value: T): Remembered<T> => ({ value, at: Date.now() })

const of = <T extends { card_id: string }>(cardId: string, all: Remembered<T>[]) =>
  all.find(({ value }) => value.card_id === cardId)

const others = <T extends { card_id: string }>(cardId: string, all: Remembered<T>[]) =>
  all.filter(({ value }) => value.card_id !== cardId)

/** What an earlier version has stored may lack a part. */
const recall = (): Memory => ({
  member: '',
  phone: '',
  faces: [],
  cards: [],
  ...(wx.getStorageSync<Partial<Memory> | ''>(storageKey) || undefined),
})

function store(memory: Memory): void {
  try {
    wx.setStorageSync(storageKey, memory)
  } catch {
    // The storage is full. The page works without the memory.
  }
}
