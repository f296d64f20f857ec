/**
 * The page of `npm start`: the mini-program in a phone, and beside it the user's
 * wallet and messages and the shop's till, all from the sandbox.
 */
import type { Answer, Host, Phone } from '../runtime/phone.ts'
import * as ask from './ask.ts'
import { deviceChoice } from './device.ts'
import { el } from './dom.ts'
import { askForForm, askToAdd, explainRefusal, showWallet, toast, walletCard } from './over.ts'
import * as sandbox from './sandbox.ts'
import type { DemoCard, Wallet } from './sandbox.ts'
import { words } from './words.ts'

const query = new URLSearchParams(location.search)
const user = query.get('user') ?? 'hong'
const frame = document.querySelector<HTMLIFrameElement>('#mini')!
const host = () => (frame.contentWindow as unknown as { host: Host }).host
const requests: string[] = []
let offline = false
let down = false
/** A browser cannot change it; the mini-program reads what it has set. */
let brightness = 0.5

/** Answers the calls that WeChat would answer. */
const answers: Record<string, (argument: never) => Promise<unknown>> = {
  request,
  login: () => sandbox.login(user),
  async addCard(argument: { cardList: { cardId: string }[] }) {
    host().hide()
    try {
      if (!(await askToAdd(argument.cardList.map((card) => card.cardId)))) throw new Error('cancel')
      return await sandbox.addCard(user, argument)
    } catch (error) {
      explainRefusal(error)
      throw error
    } finally {
      host().show({ scene: 1001 })
    }
  },
  async openCard(argument: { cardList: { code: string }[] }) {
    await sandbox.openCard(user, argument)
    host().hide()
    await showWallet(user, argument.cardList[0]!.code, () => host().show({ scene: 1001 }))
    return {}
  },
  getPhoneNumber: async () => sandbox.phoneNumber(user, await ask.askForPhone()),
  chooseAvatar: async () => ((await ask.askForAvatar()) ? { avatarUrl: ask.avatar } : {}),
  requestSubscribeMessage: (argument: { tmplIds: string[] }) => ask.askToSubscribe(argument.tmplIds),
  showModal: (argument: Record<string, string>) => ask.askModal(argument),
  async openPrivacyContract() {
    ask.showContract()
  },
  async share({ title = '', path = '' }: { title?: string; path?: string }) {
    ask.showShared(title, path)
  },
  getScreenBrightness: () => Promise.resolve({ value: brightness }),
  setScreenBrightness({ value }: { value: number }) {
    brightness = value
    return Promise.resolve({})
  },
  setKeepScreenOn: () => Promise.resolve({}),
  async navigateToMiniProgram(argument: { appId: string; extraData: unknown }) {
    host().hide()
    void askForForm(words.form, words.formHint).then(async (form) => {
      const extraData = form && (await sandbox.fillForm(user, argument.extraData, form))
      host().show({ scene: 1038, referrerInfo: { appId: argument.appId, extraData } })
    })
    return {}
  },
  setClipboardData: ({ data }: { data: string }) => navigator.clipboard.writeText(data).then(() => ({})),
  showToast: ({ title }: { title: string }) => toast(title),
  makePhoneCall: ({ phoneNumber }: { phoneNumber: string }) => toast(`${words.calling} ${phoneNumber}`),
}

interface Request {
  url: string
  method: string
  data?: unknown
  header: Record<string, string>
}

async function request(argument: Request): Promise<unknown> {
  if (offline) throw new Error('net::ERR_INTERNET_DISCONNECTED')
  const { pathname, search } = new URL(argument.url)
  const answer = await fetch(`api${pathname}${search}`, {
    method: argument.method,
    headers: argument.header,
    body: argument.data === undefined ? undefined : JSON.stringify(argument.data),
  })
  requests.unshift(`${argument.method} ${pathname} ${answer.status}`)
  requests.length = Math.min(requests.length, 12)
  return { statusCode: answer.status, header: Object.fromEntries(answer.headers), data: await answer.text() }
}

async function call(name: string, argument: unknown): Promise<Answer> {
  try {
    const act = answers[name]
    if (!act) throw new Error(`${name} is not part of this host`)
    return { result: await act(argument as never) }
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    return { fail: text.replace(/^\w+:fail\s*/, '') }
  }
}

/** Opens the mini-program for a card, as a QR code in the shop would. */
function open(card: DemoCard): void {
  opened = card
  const phone: Phone = {
    call,
    settings: {
      language: navigator.language.startsWith('zh') ? 'zh_CN' : 'en',
      textScale: Number(query.get('text') ?? 1),
      envVersion: 'develop',
      privacyAgreed: false,
      user,
      launch: {
        path: 'pages/index/index',
        query: { card_id: card.card_id, outer_str: 'sandbox' },
        scene: 1047,
      },
    },
  }
  Object.assign(window, { phone })
  frame.src = `mini.html?${Date.now()}`
  void sandbox.face(card.card_id).then((face) => {
    balance = face.supply_balance
  })
}

const heading = (text: string) => el('h2', {}, text)
const panel = (name: string, title: string, ...children: Node[]) =>
  el('section', { id: name, 'aria-label': title }, heading(title), ...children)
const nothing = (text: string) => el('p', { class: 'nothing' }, text)

let cards: DemoCard[] = []
let opened: DemoCard | undefined
let shown = ''
/** Whether the opened card shows a balance. */
let balance = false

/** Draws the panels beside the phone if anything has changed. */
async function draw(): Promise<void> {
  const held = await sandbox.wallet(user)
  const state = JSON.stringify([held, requests, offline, down, cards, balance, opened])
  if (state === shown) return
  shown = state
  const usable = held.find((card) => card.status === 'NORMAL' && card.card_id === opened?.card_id)
  document
    .querySelector('#beside')!
    .replaceChildren(
      walletPanel(held),
      messagesPanel(held),
      tillPanel(usable),
      switchesPanel(),
      panel('log', words.log, el('ol', {}, ...requests.map((line) => el('li', {}, line)))),
    )
}

function walletPanel(held: Wallet[]): HTMLElement {
  if (held.length === 0) return panel('wallet', words.wallet, nothing(words.walletEmpty))
  const remove = (card: Wallet) =>
    el('button', { class: 'link', click: () => void sandbox.deleteCard(user, card).then(draw) }, words.remove)
  return panel(
    'wallet',
    words.wallet,
    ...held.map((card) =>
      walletCard(
        card,
        el('code', {}, card.code),
        el('span', {}, `${words.points} ${card.bonus} · ${words.balance} ${(card.balance / 100).toFixed(2)}`),
        ...(card.status === 'NORMAL' ? [remove(card)] : []),
      ),
    ),
  )
}

function messagesPanel(held: Wallet[]): HTMLElement {
  const messages = held
    .flatMap((card) => card.messages)
    .toSorted((a, b) => (a.at < b.at ? 1 : -1))
    .slice(0, 6)
  if (messages.length === 0) return panel('messages', words.messages, nothing(words.messagesEmpty))
  return panel(
    'messages',
    words.messages,
    ...messages.map((message) =>
      el('div', { class: 'bubble' }, messageText(message), el('time', {}, message.at.slice(11, 19))),
    ),
  )
}

function messageText({ kind, text }: Wallet['messages'][number]): string {
  if (kind === 'activated') return words.activated
  return kind.startsWith('custom_field') ? words.changed + text : text || kind
}

function tillPanel(card?: Wallet): HTMLElement {
  if (!card) return panel('till', words.till, nothing(words.tillEmpty))
  const note = el('p', { class: 'nothing', role: 'status' }, words.tillHint)
  const act = (text: string, book: () => Promise<unknown>) =>
    el(
      'button',
      {
        click: () => {
          book().then(draw, (error: unknown) => {
            note.textContent =
              error instanceof sandbox.Refusal
                ? ((error.body as { detail?: string }).detail ?? '')
                : String(error)
          })
        },
      },
      text,
    )
  return panel(
    'till',
    words.till,
    act(words.buy, () => sandbox.book(card, { add_bonus: 30, record_bonus: '消费30元' })),
    ...(balance
      ? [
          act(words.topUp, () => sandbox.book(card, { add_balance: 10_000, record_balance: '充值100元' })),
          act(words.pay, () => sandbox.book(card, { add_balance: -1850, record_balance: '余额支付' })),
        ]
      : []),
    act(words.promote, () => sandbox.promote(card, '金卡')),
    note,
  )
}

function switchesPanel(): HTMLElement {
  const toggle = (name: string, on: boolean, set: (on: boolean) => void) =>
    el(
      'label',
      { class: 'switch' },
      el('input', {
        type: 'checkbox',
        checked: on,
        change: (event) => set((event.target as HTMLInputElement).checked),
      }),
      name,
    )
  const choice = el(
    'select',
    { change: (event) => open(cards[(event.target as HTMLSelectElement).selectedIndex]!) },
    ...cards.map((card) => el('option', { selected: card === opened }, card.title)),
  )
  const create = async (where: 'component' | 'wallet') => {
    await sandbox.createOneClickCard(where)
    cards = await sandbox.demoCards()
    open(cards.at(-1)!)
  }
  return panel(
    'switches',
    words.trouble,
    toggle(words.offline, offline, (on) => {
      offline = on
    }),
    toggle(words.down, down, (on) => {
      down = on
      void sandbox.breakWeChat(on)
    }),
    el('label', { class: 'switch' }, words.device, deviceChoice()),
    el('label', { class: 'switch' }, words.card, choice),
    el('button', { click: () => void create('component') }, words.create),
    el('button', { click: () => void create('wallet') }, words.createForm),
    el('p', { class: 'nothing' }, `${words.user}: ${user} (?user=)`),
  )
}

let stamp = ''

/** Reloads the page after a new build, and shows the error of a failed one. */
async function watchBuild(): Promise<void> {
  const build = await sandbox.ask<{ stamp: string; error?: string }>('GET', 'build.json', undefined, {
    'cache-control': 'no-cache',
  })
  if (stamp && stamp !== build.stamp && !build.error) location.reload()
  stamp ||= build.stamp
  const note = document.querySelector('#broken')
  if (!build.error) note?.remove()
  else if (!note)
    document.body.append(el('pre', { id: 'broken', role: 'alert' }, `${words.broken}\n${build.error}`))
}

async function tick(): Promise<void> {
  document.querySelector('#clock')!.textContent = new Date().toTimeString().slice(0, 5)
  await Promise.allSettled([draw(), watchBuild()])
  setTimeout(() => void tick(), 700)
}

async function begin(): Promise<void> {
  cards = await sandbox.demoCards()
  const wanted = query.get('card_id')
  const first = cards.find((card) => card.card_id === wanted) ?? cards[0]
  if (!first) {
    // The sandbox creates its card a moment after it starts to listen.
    setTimeout(() => void begin(), 300)
    return
  }
  open(first)
}

void begin()
void tick()
