/** What WeChat does when a button with open-type or form-type is tapped. */
import { glassEasel } from 'glass-easel-miniprogram-adapter'
import type { Phone } from './phone.ts'
import type { Privacy } from './privacy.ts'

type Tapped = glassEasel.Element

/** Handles a tap on a button, or on something inside one. share is called for open-type share. */
export async function press(
  tapped: Tapped,
  phone: Phone,
  privacy: Privacy,
  share: () => void,
): Promise<void> {
  const button = closest(tapped, 'button')
  if (!button) return
  const dom = domOf(button)!
  if (dom.getAttribute('form-type') === 'submit') submit(button)
  switch (dom.getAttribute('open-type')) {
    case 'getPhoneNumber':
      return tell(button, 'getphonenumber', await ask('getPhoneNumber'))
    case 'chooseAvatar': {
      const detail = await ask('chooseAvatar')
      // WeChat has no event for a user who chooses none.
      if ('avatarUrl' in detail) tell(button, 'chooseavatar', detail)
      return
    }
    case 'agreePrivacyAuthorization':
      privacy.tap(button.id)
      return tell(button, 'agreeprivacyauthorization', {})
    case 'share':
      return share()
    default:
  }

  async function ask(name: string): Promise<object> {
    try {
      await privacy.require(`button.${name}`)
    } catch (error) {
      return { errMsg: `${name}:fail ${(error as Error).message}`, errno: 104 }
    }
    const answer = await phone.call(name, {})
    return 'fail' in answer ? { errMsg: `${name}:fail ${answer.fail}` } : (answer.result as object)
  }
}

/** Sends the form's values, as form-type submit does. */
function submit(button: Tapped): void {
  const form = closest(button, 'form')
  if (!form) return
  const inputs = domOf(form)!.querySelectorAll<HTMLInputElement>('input[name]')
  const value = Object.fromEntries([...inputs].map((input) => [input.name, input.value]))
  tell(form, 'submit', { value })
}

const tell = (element: Tapped, type: string, detail: object) =>
  glassEasel.Event.dispatchEvent(element, new glassEasel.Event(type, detail))

const domOf = (element: Tapped) => element.$$ as unknown as HTMLElement | undefined

function closest(from: Tapped, tag: string): Tapped | undefined {
  for (let element: Tapped | null = from; element; element = element.parentNode) {
    if (domOf(element)?.localName === tag) return element
  }
  return undefined
}
