/**
 * Handles the return from the open-card component. Its result arrives in
 * App.onShow, but the page reports it to the server. So the result is stored
 * until the server has answered, even if the mini-program is restarted.
 */
import { openCardAppId } from '../config'
import type { ActivateInputBody, MemberCard } from './api'
import { activate } from './cards'
import { ApiError } from './http'

const pendingKey = 'addcard.activation'
const handledKey = 'addcard.activation.handled'

/** WeChat's scene for a return from another mini-program. */
const returned = 1038

/** The part of App.onShow's options that is used here. */
export type Shown = Pick<WechatMiniprogram.App.LaunchShowOption, 'scene' | 'referrerInfo'>

/** The card of a return without an activate_ticket, which proves nothing and is not reported. */
let shownCardId: string | undefined

/** Stores the component's result. Call it in App.onShow. WeChat may deliver the same result again. */
export function keepReturn({ scene, referrerInfo }: Shown): void {
  shownCardId = undefined
  if (scene !== returned || referrerInfo?.appId !== openCardAppId) return
  const answer = referrerInfo.extraData as Partial<ActivateInputBody> | undefined
  // Empty if the user went back or the card was already active. Without a ticket, the page looks at the member's cards.
  if (!answer?.activate_ticket || !answer.card_id || !answer.code) {
    shownCardId = answer?.card_id
    return
  }
  if (wx.getStorageSync(handledKey) === answer.activate_ticket) return
  const pending: ActivateInputBody = {
    card_id: answer.card_id,
    code: answer.code,
    activate_ticket: answer.activate_ticket,
  }
  wx.setStorageSync(pendingKey, pending)
}

/** The card of the last result. After a cold start the launch options may not contain it. */
export function returnedCardId(): string | undefined {
  return (wx.getStorageSync<ActivateInputBody | ''>(pendingKey) || undefined)?.card_id ?? shownCardId
}

let reporting = false

/**
 * Reports a stored result to the server, which activates the card. Call it in a
 * page's onShow. Returns undefined if there is no result, or if another call is
 * reporting it. If the server cannot be reached, the result stays stored; if the
 * server refuses it, the result is dropped.
 */
export async function finishActivation(): Promise<MemberCard | undefined> {
  const pending = wx.getStorageSync<ActivateInputBody | ''>(pendingKey)
  if (!pending || reporting) return undefined
  reporting = true
  try {
    const card = await activate(pending)
    finish(pending)
    return card
  } catch (error) {
    if (error instanceof ApiError && error.final) finish(pending)
    throw error
  } finally {
    reporting = false
  }
}

function finish(pending: ActivateInputBody): void {
  wx.setStorageSync(handledKey, pending.activate_ticket)
  wx.removeStorageSync(pendingKey)
}
