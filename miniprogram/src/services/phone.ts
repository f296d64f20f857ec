/** The phone number of the WeChat account, which a button with open-type getPhoneNumber gives. */
import { recordPhone } from './cards'
import { ApiError } from './http'
import { keepPhone } from './memory'

/** The detail of the event getphonenumber. A failure has no code. */
export interface PhoneDetail {
  code?: string
  errMsg?: string
  errno?: number
}

export type Given =
  /** The server knows the number; phone is without its middle. */
  | { kind: 'given'; phone: string }
  | { kind: 'refused' }
  /** The user did not agree to the 用户隐私保护指引. */
  | { kind: 'no_consent' }
  /** No uses are left (1400001), the number is not declared in the 用户隐私保护指引 (112), or the account may not ask. */
  | { kind: 'unavailable' }

/** Whether this WeChat has the button. WeChat on a computer may not have it. */
export const canGivePhone = (): boolean => wx.canIUse('button.open-type.getPhoneNumber')

/** Sends the button's code to the server. Throws an ApiError, for example phone_taken. */
export async function givePhone(detail: PhoneDetail): Promise<Given> {
  if (!detail.code) return notGiven(detail)
  const { phone } = await sendTwice(detail.code)
  keepPhone(phone)
  return { kind: 'given', phone }
}

/** If the answer was lost, the same code is sent again: each new code costs the shop one use. */
async function sendTwice(code: string) {
  try {
    return await recordPhone(code)
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 0) throw error
    return recordPhone(code)
  }
}

function notGiven({ errMsg = '', errno }: PhoneDetail): Given {
  if (errno === 104 || /privacy permission/.test(errMsg)) return { kind: 'no_consent' }
  return { kind: /deny|cancel/.test(errMsg) ? 'refused' : 'unavailable' }
}
