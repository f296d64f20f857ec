/**
 * WeChat's own calls about cards, with their outcomes as values. Nothing else
 * calls wx.login, wx.addCard, wx.openCard or wx.navigateToMiniProgram.
 */
import type { ClaimedCard, OpenCardOutputBody, SignedCard } from './api'

/** How wx.addCard ended. */
export type Added =
  /** All or some cards are in the wallet; hand the list to `POST /v1/claims`. `missing` are the others. */
  | { kind: 'added'; cardList: ClaimedCard[]; missing: string[] }
  | { kind: 'cancelled' }
  /** 签名错误: the signature was not the one that WeChat computes, or is used up. */
  | { kind: 'bad_signature'; reason: string }
  /** 已领完: out of stock, already in the wallet, or a code that was delivered before. */
  | { kind: 'sold_out'; reason: string }
  | { kind: 'failed'; reason: string }

export type Opened = { kind: 'opened' } | { kind: 'cancelled' } | { kind: 'failed'; reason: string }

/** A code for `POST /v1/session`; it lives five minutes and works once. */
export async function loginCode(): Promise<string> {
  return (await wx.login()).code
}

/** Shows WeChat's sheet for the cards, exactly as the server signed them. */
export async function addCard(cardList: SignedCard[]): Promise<Added> {
  try {
    const result = await wx.addCard({ cardList })
    const added = result.cardList.filter((card) => card.isSuccess !== false && card.code) as (ClaimedCard &
      WechatMiniprogram.AddCardResponseInfo)[]
    const missing = cardList
      .map((card) => card.cardId)
      .filter((id) => !added.some((card) => card.cardId === id))
    if (added.length === 0) return { kind: 'failed', reason: result.errMsg }
    return { kind: 'added', cardList: added, missing }
  } catch (error) {
    return refusedToAdd(message(error))
  }
}

function refusedToAdd(errMsg: string): Added {
  const reason = errMsg.replace(/^addCard:fail\s*/, '').replace(/^\((.*)\)$/, '$1')
  if (/cancel/i.test(reason)) return { kind: 'cancelled' }
  if (/签名|signature/i.test(reason)) return { kind: 'bad_signature', reason }
  if (/领完|库存|out of stock|sold out/i.test(reason)) return { kind: 'sold_out', reason }
  return { kind: 'failed', reason }
}

/** Opens one card in the wallet; `code` is the plain one of MemberCard. */
export async function openCard(cardId: string, code: string): Promise<Opened> {
  try {
    await wx.openCard({ cardList: [{ cardId, code }] })
    return { kind: 'opened' }
  } catch (error) {
    return refusedToOpen(message(error))
  }
}

/**
 * Goes to WeChat's open-card component (开卡组件). Call it in the tap's handler
 * before anything is awaited: WeChat refuses it anywhere else. The answer comes
 * back through App.onShow, see activation.ts.
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
  return { kind: 'failed', reason: errMsg.replace(/^\w+:fail\s*/, '') }
}

function message(error: unknown): string {
  return String((error as WechatMiniprogram.GeneralCallbackResult | undefined)?.errMsg ?? error)
}
