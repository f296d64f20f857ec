/** What WeChat asks the user over the mini-program: to show the phone number, to subscribe, and whatever the page asks. */
import { el } from './dom.ts'
import { button, cover, uncover } from './over.ts'
import { words } from './words.ts'

/** Shows a sheet with two buttons. Resolves to true for the first one. */
function ask(title: string, lines: string[], yes: string, no: string): Promise<boolean> {
  return new Promise((decided) => {
    const end = (answer: boolean) => () => {
      uncover()
      decided(answer)
    }
    cover(
      'sheet',
      title,
      end(false),
      ...lines.map((line) => el('p', { class: 'detail' }, line)),
      button(yes, end(true)),
      button(no, end(false), true),
    )
  })
}

export const askForPhone = () => ask(words.phoneTitle, [words.phoneHint], words.allow, words.refuse)

export const askForAvatar = () => ask(words.avatarTitle, [words.avatarHint], words.use, words.cancel)

/** Returns WeChat's answer for each template. */
export async function askToSubscribe(templates: string[]): Promise<Record<string, string>> {
  const answer = (await ask(words.subscribeTitle, templates, words.allow, words.refuse)) ? 'accept' : 'reject'
  return Object.fromEntries(templates.map((id) => [id, answer]))
}

/** As wx.showModal. */
export async function askModal(o: Record<string, string>): Promise<{ confirm: boolean; cancel: boolean }> {
  const confirm = await ask(
    o.title ?? '',
    [o.content ?? ''],
    o.confirmText ?? words.done,
    o.cancelText ?? words.cancel,
  )
  return { confirm, cancel: !confirm }
}

export const showContract = () => tell(words.contract, [words.contractText])

/** Shows what a friend would be sent. */
export const showShared = (title: string, path: string) => tell(words.shared, [title, path])

function tell(title: string, lines: string[]): void {
  cover(
    'sheet',
    title,
    uncover,
    ...lines.map((line) => el('p', { class: 'detail' }, line)),
    button(words.done, uncover, true),
  )
}

/** The picture that the user chooses as avatar. */
export const avatar = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48"><rect width="48" height="48" fill="#7fb7a3"/><circle cx="24" cy="19" r="8" fill="#fff"/><path d="M8 44a16 14 0 0 1 32 0z" fill="#fff"/></svg>',
)}`
