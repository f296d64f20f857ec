/** What WeChat shows over the mini-program: the sheet of wx.addCard, the wallet, the open-card component. */
import { memberCode } from '../../src/barcode/member-code.ts'
import type { Picture } from '../../src/barcode/picture.ts'
import { el } from './dom.ts'
import { demoCards, face, Refusal, submitForm, wallet, type Wallet } from './sandbox.ts'
import { words } from './words.ts'

const over = () => document.querySelector<HTMLElement>('#over')!
const frame = () => document.querySelector<HTMLIFrameElement>('#mini')!

/** The element that had the focus before the phone was covered. */
let focused: HTMLElement | undefined

/** Covers the mini-program with a dialog, which has the focus until close is called, with Esc too. */
export function cover(kind: string, title: string, close: () => void, ...children: Node[]): void {
  const heading = el('h2', { id: 'over-title' }, title)
  const dialog: HTMLElement = el(
    'div',
    {
      class: kind,
      role: 'dialog',
      'aria-modal': 'true',
      'aria-labelledby': heading.id,
      tabindex: '-1',
      keydown: (event) => pressed(event as KeyboardEvent, dialog, close),
    },
    heading,
    ...children,
  )
  focused ??= document.activeElement as HTMLElement
  over().replaceChildren(dialog)
  frame().inert = true
  dialog.focus()
}

/** Closes the dialog with Esc, and keeps Tab in it. */
function pressed(event: KeyboardEvent, dialog: HTMLElement, close: () => void): void {
  if (event.key === 'Escape') close()
  if (event.key !== 'Tab') return
  const stops = [...dialog.querySelectorAll<HTMLElement>('button, input')]
  const at = event.target === dialog && event.shiftKey ? 0 : stops.indexOf(event.target as HTMLElement)
  stops.at((at + (event.shiftKey ? -1 : 1)) % stops.length)?.focus()
  event.preventDefault()
}

export function uncover(): void {
  over().replaceChildren()
  frame().inert = false
  focused?.focus()
  focused = undefined
}

export const button = (text: string, act: () => void, quiet = false) =>
  el('button', { class: quiet ? 'wx-button quiet' : 'wx-button', click: act }, text)

/** Shows the sheet of wx.addCard. Resolves to true if the user takes the cards. */
export async function askToAdd(cardIds: string[]): Promise<boolean> {
  const cards = await demoCards()
  const titles = cardIds.map((id) => cards.find((card) => card.card_id === id)?.title ?? id)
  return new Promise((decided) => {
    const end = (taken: boolean) => () => {
      uncover()
      decided(taken)
    }
    cover(
      'sheet',
      words.sheetTitle,
      end(false),
      ...titles.map((title) => el('div', { class: 'mini-card' }, title)),
      button(words.take, end(true)),
      button(words.cancel, end(false), true),
    )
  })
}

/** Shows why the phone refused, with an explanation that a real phone does not give. */
export function explainRefusal(error: unknown): void {
  if (!(error instanceof Refusal)) return
  cover(
    'sheet',
    words.refused,
    uncover,
    el('p', {}, error.message),
    el('p', { class: 'detail' }, error.body.detail?.explanation ?? ''),
    button(words.done, uncover, true),
  )
}

export async function showWallet(user: string, code: string, closed: () => void): Promise<void> {
  const card = (await wallet(user)).find((one) => one.code === code)
  if (!card) return
  const back = () => {
    uncover()
    closed()
  }
  const fillIn = async () => {
    const form = await askForForm(words.fillIn, words.fillInHint)
    if (form) await submitForm(user, card, form)
    await showWallet(user, code, closed)
  }
  cover(
    'full',
    words.wallet,
    back,
    walletCard(card),
    ...(card.status === 'NORMAL' ? [drawnCode(card)] : []),
    el('dl', {}, ...facts(card)),
    ...((await waitsForForm(card)) ? [button(words.fillIn, () => void fillIn())] : []),
    button(words.back, back, true),
  )
}

/** Whether the card becomes active by a form that the wallet shows. */
const waitsForForm = async (card: Wallet) =>
  card.status === 'NORMAL' && !card.has_active && (await face(card.card_id)).activation === 'form'

/** The code as the wallet shows it, by the card's code_type. */
function drawnCode(card: Wallet): HTMLElement {
  const { bars, qr, characters } = memberCode(card.code, card.code_type, {
    width: 320,
    ratio: devicePixelRatio,
  })
  const picture = ({ src, width, height }: Picture) => {
    const image = el('img', { src, alt: card.code })
    Object.assign(image.style, { width: `${width}px`, height: `${height}px` })
    return image
  }
  return el('figure', { class: 'code' }, bars && picture(bars), qr && picture(qr), characters)
}

const facts = (card: Wallet) =>
  [
    [words.number, card.code],
    [words.points, String(card.bonus)],
    [words.balance, (card.balance / 100).toFixed(2)],
  ].flatMap(([name, value]) => [el('dt', {}, name!), el('dd', {}, value!)])

export const walletCard = (card: Wallet, ...more: Node[]) =>
  el(
    'div',
    { class: card.status === 'NORMAL' ? 'mini-card' : 'mini-card gone' },
    el('b', {}, card.title),
    el('span', {}, statusOf(card)),
    ...more,
  )

function statusOf(card: Wallet): string {
  if (card.status === 'DELETE') return words.deleted
  if (card.status !== 'NORMAL') return card.status
  return card.has_active ? words.active : words.inactive
}

/** Shows an activation form. Resolves to the answers, or to undefined if the user goes back. */
export function askForForm(title: string, hint: string): Promise<Record<string, string> | undefined> {
  return new Promise((decided) => {
    const mobile = el('input', { name: 'mobile', inputmode: 'tel', value: '13700000000' })
    const name = el('input', { name: 'name', value: '小明' })
    const end = (form?: Record<string, string>) => () => {
      uncover()
      decided(form && { USER_FORM_INFO_FLAG_MOBILE: mobile.value, USER_FORM_INFO_FLAG_NAME: name.value })
    }
    cover(
      'full',
      title,
      end(),
      el('p', { class: 'detail' }, hint),
      el('label', {}, words.mobile, mobile),
      el('label', {}, words.name, name),
      button(words.submit, end({})),
      button(words.back, end(), true),
    )
  })
}

/** Shows a short text over the mini-program, for a moment. */
export function toast(text: string): Promise<object> {
  const note = el('div', { class: 'toast', role: 'status' }, text)
  document.querySelector('.screen')!.append(note)
  setTimeout(() => note.remove(), 2500)
  return Promise.resolve({})
}
