/**
 * WeChat's functions for cards, with their outcomes as values. A `reason` is
 * WeChat's own text, for developers: it is not shown to users. No other file calls
 * wx.login, wx.addCard, wx.openCard, wx.navigateToMiniProgram or wx.setClipboardData.
 */
import type { ClaimedCard, OpenCardOutputBody, SignedCard } from './api'

/** The outcome of wx.addCard. */
export type Added =
  /** The cards in cardList are in the wallet; send them to `POST /v1/claims`. Some may be missing. */
  | { kind: 'added'; cardList: ClaimedCard[] }
  | { kind: 'cancelled' }
  /** 签名错误: the signature is wrong, or was used before. */
  | { kind: 'bad_signature'; reason: string }
  /** 用户已领取, 已领取, 超过领取限制: the user has the card. WeChat says so to some who have not, too; myCard shows it. */
  | { kind: 'held'; reason: string }
  /** 已领完: no stock, or the card is in the wallet already, or its code was used before. */
  | { kind: 'sold_out'; reason: string }
  /** This WeChat has no cards, for example that on a computer. */
  | { kind: 'unsupported' }
  | { kind: 'failed'; reason: string }

export type Opened =
  { kind: 'opened' } | { kind: 'cancelled' } | { kind: 'unsupported' } | { kind: 'failed'; reason: string }

/** Words of WeChat for a function that a device does not have. */
const unsupported = /not support|unsupported|不支持/i

export const canAddCard = (): boolean => wx.canIUse('addCard')

/** Returns a code for `POST /v1/session`. It is valid for five minutes and works once. */
export async function loginCode(): Promise<string> {
  return (await wx.login()).code
}

/** Shows WeChat's sheet for the cards, which must be as the server signed them. */
export async function addCard(cardList: SignedCard[]): Promise<Added> {
  try {
    const result = await wx.addCard({ cardList })
    const added = result.cardList.filter((card) => card.isSuccess !== false && card.code) as (ClaimedCard &
      WechatMiniprogram.AddCardResponseInfo)[]
    if (added.length === 0) return { kind: 'failed', reason: 'no card was added' }
    return { kind: 'added', cardList: added }
  } catch (error) {
    return refusedToAdd(message(error))
  }
}

function refusedToAdd(errMsg: string): Added {
  const reason = errMsg.replace(/^addCard:fail[:\s]*/, '').replace(/^\((.*)\)$/, '$1')
  if (/cancel/i.test(reason)) return { kind: 'cancelled' }
  if (unsupported.test(reason)) return { kind: 'unsupported' }
  if (/签名|signature/i.test(reason)) return { kind: 'bad_signature', reason }
  if (/已经?领[取过](?!完)|领取.{0,6}(限制|上限)|超[过出].{0,2}领取|already/i.test(reason))
    return { kind: 'held', reason }
  if (/领取?完|库存|out of stock|sold out/i.test(reason)) return { kind: 'sold_out', reason }
  return { kind: 'failed', reason }
}

/** Opens a card in the wallet; `code` is the one in MemberCard, not an encrypted one. */
export async function openCard(cardId: string, code: string): Promise<Opened> {
  if (!wx.canIUse('openCard')) return { kind: 'unsupported' }
  try {
    await wx.openCard({ cardList: [{ cardId, code }] })
    return { kind: 'opened' }
  } catch (error) {
    return refusedToOpen(message(error))
  }
}

/**
 * Opens WeChat's open-card component (开卡组件). Call it in the handler of a tap,
 * before anything is awaited; WeChat refuses it elsewhere. The result arrives in
 * App.onShow, see activation.ts.
 */
export async function openComponent(parameters: OpenCardOutputBody): Promise<Opened> {
  try {
    await wx.navigateToMiniProgram({ appId: parameters.appId, extraData: parameters.extraData })
    return { kind: 'opened' }
  } catch (error) {
    return refusedToOpen(message(error))
  }
}

function refusedToOpen(errMsg: string): Opened {
  if (/cancel/i.test(errMsg)) return { kind: 'cancelled' }
  if (unsupported.test(errMsg)) return { kind: 'unsupported' }
  return { kind: 'failed', reason: errMsg.replace(/^\w+:fail\s*/, '') }
}

/** Copies a text; WeChat then says 内容已复制. Reports whether it could: the user may not agree to the privacy notice. */
export const copy = (data: string): Promise<boolean> =>
  wx.setClipboardData({ data }).then(
    () => true,
    () => false,
  )

/** WeChat passes parameters to a page without decoding percent signs. */
export function decoded(value = ''): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}

function message(error: unknown): string {
  return String((error as WechatMiniprogram.GeneralCallbackResult | undefined)?.errMsg ?? error)
}
