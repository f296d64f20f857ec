/**
 * The environment of the mini-program, provided by a test or by the page of
 * `npm start`. It answers the calls that WeChat would answer.
 */
export interface Phone {
  /** Answers wx.<name>(argument): with the result, or with the text after "<name>:fail ". */
  call(name: string, argument: unknown): Promise<Answer>
  settings: Settings
}

export type Answer = { result: unknown } | { fail: string }

export interface Settings {
  /** As in wx.getAppBaseInfo: zh_CN, en. */
  language: string
  /** 1 is WeChat's standard text size. */
  textScale: number
  envVersion: 'develop' | 'trial' | 'release'
  /** Whose storage it is: WeChat keeps the storage of its users apart. */
  user: string
  /** Whether the user has agreed to the 用户隐私保护指引 before; true if it is missing. */
  privacyAgreed?: boolean
  /** What this phone cannot do, in the words of wx.canIUse. */
  lacks?: string[]
  /** Whether a new version of the mini-program has been downloaded. */
  updateReady?: boolean
  /** How the mini-program was opened. */
  launch: Launch
}

export interface Shared {
  message?: { title?: string; path?: string; imageUrl?: string }
  timeline?: { title?: string; query?: string; imageUrl?: string }
}

export interface Launch {
  path: string
  query: Record<string, string>
  scene: number
  referrerInfo?: { appId: string; extraData?: unknown }
}

/** What a test or the surrounding page can do with the running mini-program. */
export interface Host {
  /** The user returns to the mini-program: calls App.onShow and the page's onShow. */
  show(launch: Pick<Launch, 'scene' | 'referrerInfo'>): void
  /** The user leaves the mini-program, for another one or for the wallet. */
  hide(): void
  pullDown(): void
  reachBottom(): void
  back(): void
  /** The user shares the page with the menu: what the page gives for a friend, and for the timeline. */
  share(): Shared
  /** The route of the top page. */
  route(): string
}

declare global {
  interface Window {
    phone: Phone
    host: Host
  }
}
