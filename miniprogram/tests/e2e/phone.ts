/** Runs the mini-program in a real browser, as on the phone of a user, with the simulator as WeChat. */
import { existsSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { chromium, type Browser, type Page } from 'playwright-core'
import { buildMiniProgram } from '../../host/build.ts'
import type { Answer, Host, Launch, Settings } from '../../host/runtime/phone.ts'
import { patience, until, type World } from './world.ts'

/** The parts of window that the mini-program defines in the tested page. */
declare const window: { host: Host; phone: unknown }

export const browserFlags = [
  '--no-sandbox',
  '--disable-gpu', // Debian's Chromium would emulate one, which is more work
  '--disable-gpu-rasterization',
  '--disable-software-rasterizer',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export function launchBrowser(): Promise<Browser> {
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
  const executablePath = [process.env.CHROMIUM ?? '']
    .concat((process.env.PATH ?? '').split(delimiter).flatMap((dir) => names.map((name) => join(dir, name))))
    .find((path) => path && existsSync(path))
  if (!executablePath) throw new Error('Chromium is missing: install it, or name it in CHROMIUM')
  return chromium.launch({ executablePath, args: browserFlags })
}

/** SRC names another copy of the sample, see planted.ts. */
const src = process.env.SRC ?? resolve(import.meta.dirname, '../../src')
let script: Promise<string> | undefined
const miniProgram = () => (script ??= buildMiniProgram(src).then((built) => built.script))

export interface HttpCall {
  method: string
  path: string
  status: number
}

interface Request {
  url: string
  method?: string
  data?: unknown
  header?: Record<string, string>
}

export interface PhoneOptions {
  query?: Record<string, string>
  launch?: Partial<Launch>
  colorScheme?: 'light' | 'dark'
  language?: string
  textScale?: number
  /** Other settings of the host. */
  settings?: Partial<Settings>
  /** Changes the built script, to run the mini-program with other values in config.ts. */
  edit?: (script: string) => string
  /** The device pixels of one px. */
  ratio?: number
  /** Sees every response of the server before the mini-program does, and can change it. */
  tamper?: (path: string, body: string) => string
  /** Called before a request, which waits for the promise. */
  before?: (path: string) => Promise<void> | undefined
}

/** The phone of a user. Close it at the end of the test; close fails if the page logged errors. */
export class TestPhone {
  readonly requests: HttpCall[] = []
  /** Calls of wx that WeChat answered. */
  readonly calls: { name: string; argument: unknown }[] = []
  readonly errors: string[] = []
  /** Whether the user closes the sheet of wx.addCard. */
  closesSheet = false
  /** With these words the phone refuses a card, whatever it is given; '' for none. */
  says = ''
  /** The body for the simulator's button for the phone number. */
  phoneButton: { cancel?: boolean } = {}
  /** Answers of WeChat that replace the usual ones. */
  readonly answers: Record<string, unknown> = {}
  /** Whether there is no network. */
  offline = false
  screen = { brightness: 0.4, keptOn: false }
  clipboard = ''
  /** The argument of the last wx.navigateToMiniProgram. */
  elsewhere: { appId: string; extraData: unknown } | undefined
  page!: Page
  /** How long to wait for a page, in milliseconds. */
  patience = patience

  private constructor(
    private readonly world: Pick<World, 'baseUrl' | 'sim'>,
    readonly user: string,
    private readonly options: PhoneOptions,
  ) {}

  /** Opens the mini-program on the phone of user. */
  static async open(
    browser: Browser,
    world: Pick<World, 'baseUrl' | 'sim'>,
    user: string,
    options: PhoneOptions = {},
  ): Promise<TestPhone> {
    const phone = new TestPhone(world, user, options)
    const context = await browser.newContext({
      viewport: { width: 375, height: 812 },
      deviceScaleFactor: options.ratio ?? 1.5,
      hasTouch: true,
      colorScheme: options.colorScheme ?? 'light',
      reducedMotion: 'reduce',
    })
    context.setDefaultTimeout(patience)
    phone.page = await context.newPage()
    await phone.start()
    return phone
  }

  /** Loads the mini-program, as after a cold start. Storage is kept. */
  async start(launch: Partial<Launch> = {}): Promise<void> {
    const { page } = this
    if (page.url() === 'about:blank') await this.prepare()
    const settings: Settings = {
      language: this.options.language ?? 'zh_CN',
      textScale: this.options.textScale ?? 1,
      envVersion: 'develop',
      user: this.user,
      ...this.options.settings,
      launch: {
        path: 'pages/index/index',
        scene: 1001,
        query: this.options.query ?? {},
        ...this.options.launch,
        ...launch,
      },
    }
    await page.unroute('http://mini.test/**')
    await page.route('http://mini.test/**', (route) =>
      route.fulfill({
        contentType: 'text/html; charset=utf-8',
        body: `<!doctype html><html><head><link rel="icon" href="data:,"></head><body></body><script>window.phone = { call: (name, argument) => answer(name, argument), settings: ${JSON.stringify(settings)} }</script></html>`,
      }),
    )
    await page.goto('http://mini.test/')
    const content = await miniProgram()
    await page.addScriptTag({ content: this.options.edit?.(content) ?? content })
  }

  private async prepare(): Promise<void> {
    const { page } = this
    page.on('pageerror', (error) => this.errors.push(String(error)))
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') this.errors.push(message.text())
    })
    // tsx adds calls of this helper, also to functions that a test sends into the page.
    await page.addInitScript('globalThis.__name = (f) => f')
    await page.exposeFunction('answer', (name: string, argument: unknown) => this.answer(name, argument))
  }

  private async answer(name: string, argument: unknown): Promise<Answer> {
    try {
      if (name === 'request') return { result: await this.request(argument as Request) }
      this.calls.push({ name, argument })
      return { result: await this.wechat(name, argument) }
    } catch (error) {
      return { fail: error instanceof Error ? error.message : String(error) }
    }
  }

  private async request(request: Request): Promise<{ statusCode: number; header: object; data: string }> {
    if (this.offline) throw new Error('')
    // The server under test has another address than the base URL in config.ts.
    const { pathname, search } = new URL(request.url)
    await this.options.before?.(pathname)
    const answer = await fetch(this.world.baseUrl + pathname + search, {
      method: request.method ?? 'GET',
      headers: {
        ...request.header,
        referer: 'https://servicewechat.com/touristappid/devtools/page-frame.html',
      },
      body: request.data === undefined ? undefined : JSON.stringify(request.data),
      // Longer than the mini-program's own limit, because the machine may be slow.
      signal: AbortSignal.timeout(patience),
    })
    this.requests.push({ method: request.method ?? 'GET', path: pathname, status: answer.status })
    const body = await answer.text()
    return {
      statusCode: answer.status,
      header: Object.fromEntries(answer.headers),
      data: this.options.tamper?.(pathname, body) ?? body,
    }
  }

  /** Answers for WeChat and the user. */
  private async wechat(name: string, argument: unknown): Promise<unknown> {
    const phone = `/_sim/phones/${this.user}`
    if (name in this.answers) return this.answers[name]
    switch (name) {
      case 'login':
        return this.world.sim('POST', `${phone}/login`)
      case 'addCard':
        return this.inWeChat(
          `add-card?${this.closesSheet ? 'cancel=1' : this.says && `says=${encodeURIComponent(this.says)}`}`,
          argument,
        )
      case 'openCard':
        return this.inWeChat('open-card', argument)
      case 'getPhoneNumber':
        return this.world.sim('POST', `${phone}/get-phone-number`, this.phoneButton)
      case 'chooseAvatar':
        return { avatarUrl: avatar }
      case 'requestSubscribeMessage':
        return Object.fromEntries((argument as { tmplIds: string[] }).tmplIds.map((id) => [id, 'accept']))
      case 'showModal':
        return { confirm: true, cancel: false }
      case 'applyUpdate':
      case 'openPrivacyContract':
      case 'share':
        return {}
      case 'navigateToMiniProgram':
        this.elsewhere = argument as { appId: string; extraData: unknown }
        await this.page.evaluate(() => window.host.hide())
        return {}
      case 'getScreenBrightness':
        return { value: this.screen.brightness }
      case 'setScreenBrightness':
        this.screen.brightness = (argument as { value: number }).value
        return {}
      case 'setKeepScreenOn':
        this.screen.keptOn = (argument as { keepScreenOn: boolean }).keepScreenOn
        return {}
      case 'setClipboardData':
        this.clipboard = (argument as { data: string }).data
        return {}
      case 'makePhoneCall':
      case 'showToast':
        return {}
      default:
        throw new Error(`${name} has no answer in this test`)
    }
  }

  /**
   * Calls the simulator's phone while the mini-program is hidden, as it is under WeChat's own pages. An error has
   * the text after "<name>:fail ".
   */
  private async inWeChat(action: string, argument: unknown): Promise<unknown> {
    await this.page.evaluate(() => window.host.hide())
    try {
      return await this.world.sim('POST', `/_sim/phones/${this.user}/${action}`, argument)
    } catch (error) {
      const said = /"errMsg":"\w+:fail ([^"]*)"/.exec(String(error))
      throw new Error(said?.[1] ?? String(error), { cause: error })
    } finally {
      await this.page.evaluate(() => window.host.show({ scene: 1001 }))
    }
  }

  /** Submits the form of the open-card component, and returns the options for App.onShow. */
  async formAnswer(form: Record<string, string>): Promise<Pick<Launch, 'scene' | 'referrerInfo'>> {
    await until(() => this.elsewhere !== undefined, 'wx.navigateToMiniProgram')
    const { appId, extraData } = this.elsewhere!
    const path = `/_sim/phones/${this.user}/open-card-component`
    const answer = await this.world.sim('POST', path, { appId, extraData, form })
    return { scene: 1038, referrerInfo: { appId, extraData: answer } }
  }

  async comeBack(launch: Pick<Launch, 'scene' | 'referrerInfo'>): Promise<void> {
    this.elsewhere = undefined
    await this.page.evaluate((again) => window.host.show(again), launch)
  }

  /** The cards in the user's wallet. */
  async wallet(): Promise<WalletCard[]> {
    return (await this.world.sim<{ cards: WalletCard[] }>('GET', `/_sim/phones/${this.user}/cards`)).cards
  }

  /** The top page; the pages below are hidden. */
  top() {
    return this.page.locator('.holder:not([hidden])')
  }

  async tap(name: string): Promise<void> {
    await this.top().getByRole('button', { name, exact: true }).tap()
  }

  async sees(text: string | RegExp): Promise<void> {
    await this.top().getByText(text, { exact: false }).first().waitFor()
  }

  /** Whether the text is on the page now. */
  async shows(text: string): Promise<boolean> {
    return (await this.top().getByText(text, { exact: false }).count()) > 0
  }

  async on(route: string): Promise<void> {
    await until(
      () => this.page.evaluate((wanted) => window.host.route() === wanted, route),
      `the page ${route}`,
      this.patience,
    )
  }

  pullDown = () => this.page.evaluate(() => window.host.pullDown())
  back = () => this.page.evaluate(() => window.host.back())

  count(method: string, path: string): number {
    return this.requests.filter((request) => request.method === method && request.path === path).length
  }

  called(name: string): unknown[] {
    return this.calls.filter((call) => call.name === name).map((call) => call.argument)
  }

  async close(): Promise<void> {
    await this.page.context().close()
    if (this.errors.length > 0) throw new Error(`errors on the page:\n${this.errors.join('\n')}`)
  }
}

/** The picture that the user chooses. */
export const avatar =
  'data:image/svg+xml,%3Csvg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"%3E%3Crect width="1" height="1" fill="teal"/%3E%3C/svg%3E'

export interface WalletCard {
  card_id: string
  code: string
  status: string
  has_active: boolean
  bonus: number
  balance: number
  messages: { kind: string; text: string }[]
}
