/**
 * What the mini-program runs in: a test, or the page of `npm start`. Whatever
 * WeChat itself would answer is asked there.
 */
export interface Phone {
  /** Answers wx.<name>(argument): its result, or WeChat's words after "<name>:fail ". */
  call(name: string, argument: unknown): Promise<Answer>
  settings: Settings
}

export type Answer = { result: unknown } | { fail: string }

export interface Settings {
  /** As wx.getAppBaseInfo gives it: zh_CN, en. */
  language: string
  /** 1 is WeChat's standard size of text. */
  textScale: number
  envVersion: 'develop' | 'trial' | 'release'
  /** What the mini-program was opened with. */
  launch: Launch
}

export interface Launch {
  path: string
  query: Record<string, string>
  scene: number
  referrerInfo?: { appId: string; extraData?: unknown }
}

/** What a test, or the page around, does to the running mini-program. */
export interface Host {
  /** The user comes back to the mini-program: App.onShow and the page's onShow. */
  show(launch: Pick<Launch, 'scene' | 'referrerInfo'>): void
  /** The user leaves it: for another mini-program, or the wallet. */
  hide(): void
  pullDown(): void
  reachBottom(): void
  back(): void
  /** The route of the page on top. */
  route(): string
}

declare global {
  interface Window {
    phone: Phone
    host: Host
  }
}
