/** What WeChat shows over the mini-program: the sheet of wx.addCard, the wallet, the open-card component. */
import { memberCode } from '../../src/barcode/member-code.ts'
import type { Picture } from '../../src/barcode/picture.ts'
import { el } from './dom.ts'
import { demoCards, Refusal, wallet, type Wallet } from './sandbox.ts'
import { words } from './words.ts'

const over = () => document.querySelector<HTMLElement>('#over')!

export function cover(kind: string, ...children: Node[]): void {
  over().replaceChildren(el('div', { class: kind, role: 'dialog', 'aria-modal': 'true' }, ...children))
}

export const uncover = () => over().replaceChildren()

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
      el('h2', {}, words.sheetTitle),
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
    el('h2', {}, words.refused),
    el('p', {}, error.message),
    el('p', { class: 'detail' }, error.body.detail?.explanation ?? ''),
    button(words.done, uncover, true),
  )
}

export async function showWallet(user: string, code: string, closed: () => void): Promise<void> {
  const card = (await wallet(user)).find((one) => one.code === code)
  if (!card) return
  cover(
    'full',
    el('h2', {}, words.wallet),
    walletCard(card),
    ...(card.status === 'NORMAL' ? [drawnCode(card)] : []),
    el('dl', {}, ...facts(card)),
    button(
      words.back,
      () => {
        uncover()
        closed()
      },
      true,
    ),
  )
}

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

/** Shows the component's form. Resolves to the answers, or to undefined if the user goes back. */
export function askForForm(): Promise<Record<string, string> | undefined> {
  return new Promise((decided) => {
    const mobile = el('input', { name: 'mobile', inputmode: 'tel', value: '13700000000' })
    const name = el('input', { name: 'name', value: '小明' })
    const end = (form?: Record<string, string>) => () => {
      uncover()
      decided(form && { USER_FORM_INFO_FLAG_MOBILE: mobile.value, USER_FORM_INFO_FLAG_NAME: name.value })
    }
    cover(
      'full',
      el('h2', {}, words.form),
      el('p', { class: 'detail' }, words.formHint),
      el('label', {}, words.mobile, mobile),
      el('label', {}, words.name, name),
      button(words.submit, end({})),
      button(words.back, end(), true),
    )
  })
}
