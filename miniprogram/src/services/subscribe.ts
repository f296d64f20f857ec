/** The prompt for subscribe messages (订阅消息). */
import { joining } from '../config'

/** 'off': messages of this mini-program are switched off in its settings, where the user can switch them on. */
export type Subscribed = 'accepted' | 'rejected' | 'off' | 'failed'

/** Whether there is something to subscribe to. */
export const canSubscribe = (): boolean =>
  joining.templates.length > 0 && wx.canIUse('requestSubscribeMessage')

/**
 * Asks whether the shop may send these messages. Call it in the handler of a tap,
 * before anything is awaited; WeChat refuses it elsewhere. Each yes to a one-time
 * template (一次性订阅) allows one message.
 */
export async function subscribe(): Promise<Subscribed> {
  try {
    const answer = await wx.requestSubscribeMessage({ tmplIds: joining.templates })
    return joining.templates.some((id) => answer[id] === 'accept') ? 'accepted' : 'rejected'
  } catch (error) {
    return (error as { errCode?: number }).errCode === 20004 ? 'off' : 'failed'
  }
}
