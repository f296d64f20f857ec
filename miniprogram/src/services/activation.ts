/**
 * The way back from the open-card component. The answer arrives at App.onShow,
 * the page needs it, and the server has to hear of it once: so it is kept in
 * storage until the server has answered, across a restart of the mini-program.
 */
import { openCardAppId } from '../config'
import type { ActivateInputBody, MemberCard } from './api'
import { activate } from './cards'
import { ApiError } from './http'

const pendingKey = 'addcard.activation'
const handledKey = 'addcard.activation.handled'

/** WeChat's scene "returned from another mini-program". */
const returned = 1038

/** What App.onShow is given, as far as it matters here. */
export type Shown = Pick<WechatMiniprogram.App.LaunchShowOption, 'scene' | 'referrerInfo'>

/** Call it in App.onShow: keeps the component's answer. WeChat may show the same one again. */
export function keepReturn({ scene, referrerInfo }: Shown): void {
  if (scene !== returned || referrerInfo?.appId !== openCardAppId) return
  const answer = referrerInfo.extraData as Partial<ActivateInputBody> | undefined
  // Empty when the user went back, or the card was active already.
  if (!answer?.activate_ticket || !answer.card_id || !answer.code) return
  if (wx.getStorageSync(handledKey) === answer.activate_ticket) return
  const pending: ActivateInputBody = {
    card_id: answer.card_id,
    code: answer.code,
    activate_ticket: answer.activate_ticket,
  }
  wx.setStorageSync(pendingKey, pending)
}

/** The card that came back and that the server has not answered for yet; a cold start may not name it. */
export function returnedCardId(): string | undefined {
  return (wx.getStorageSync<ActivateInputBody | ''>(pendingKey) || undefined)?.card_id
}

let reporting = false

/**
 * Call it in a page's onShow: activates what came back, if anything did and no
 * other call is at it. It stays for the next time when the server could not
 * answer, and is dropped when the server refused it.
 */
export async function finishActivation(): Promise<MemberCard | undefined> {
  const pending = wx.getStorageSync<ActivateInputBody | ''>(pendingKey)
  if (!pending || reporting) return undefined
  reporting = true
  try {
    const card = await activate(pending)
    settle(pending)
    return card
  } catch (error) {
    if (error instanceof ApiError && error.final) settle(pending)
    throw error
  } finally {
    reporting = false
  }
}

function settle(pending: ActivateInputBody): void {
  wx.setStorageSync(handledKey, pending.activate_ticket)
  wx.removeStorageSync(pendingKey)
}
