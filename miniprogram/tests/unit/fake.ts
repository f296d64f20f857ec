/** A fake wx whose answers a test sets. */

export interface FakeRequest {
  url: string
  method: string
  data?: unknown
  header: Record<string, string>
  timeout: number
  success(answer: { statusCode: number; data: unknown; header: Record<string, string> }): void
  fail(error: { errMsg: string }): void
}

export interface Reply {
  status?: number
  data?: unknown
  header?: Record<string, string>
  fail?: string
}

/** Answers a request, at once or with a promise. */
export type Server = (request: FakeRequest) => Reply | Promise<Reply>

export class FakeWx {
  readonly storage = new Map<string, unknown>()
  readonly requests: FakeRequest[] = []
  logins = 0
  server: Server = () => ({ fail: 'no server in this test' })
  addCard: (argument: unknown) => Promise<unknown> = () =>
    Promise.reject(new Error('no addCard in this test'))
  openCard: (argument: unknown) => Promise<unknown> = () =>
    Promise.reject(new Error('no openCard in this test'))
  navigateToMiniProgram: (argument: unknown) => Promise<unknown> = () =>
    Promise.reject(new Error('no component in this test'))

  platform = 'ios'
  brightness = 0.5
  keptOn = false

  getDeviceInfo = () => ({ platform: this.platform })
  getScreenBrightness = (): Promise<{ value: number }> => Promise.resolve({ value: this.brightness })
  setScreenBrightness = async ({ value }: { value: number }): Promise<void> => void (this.brightness = value)
  setKeepScreenOn = async ({ keepScreenOn }: { keepScreenOn: boolean }): Promise<void> =>
    void (this.keptOn = keepScreenOn)

  login = (): Promise<{ code: string; errMsg: string }> =>
    Promise.resolve({ code: `code-${++this.logins}`, errMsg: 'login:ok' })

  // Like WeChat's: returns a task, not a promise, and calls success for every status.
  request = (request: FakeRequest): object => {
    this.requests.push(request)
    void Promise.resolve(this.server(request)).then(({ status = 200, data, header = {}, fail }) => {
      if (fail !== undefined) request.fail({ errMsg: `request:fail ${fail}` })
      else request.success({ statusCode: status, data, header })
    })
    return {}
  }

  /** The urls of navigateTo and redirectTo, and 'back' for navigateBack. */
  readonly navigated: string[] = []
  navigateTo = ({ url }: { url: string }): Promise<unknown> => {
    this.navigated.push(url)
    return Promise.resolve({})
  }
  redirectTo = this.navigateTo
  navigateBack = (): Promise<unknown> => {
    this.navigated.push('back')
    return Promise.resolve({})
  }
  /** What was copied; undefined if the user does not let the page copy. */
  clipboard: string | undefined = ''
  setClipboardData = ({ data }: { data: string }): Promise<unknown> => {
    if (this.clipboard === undefined)
      return Promise.reject({
        errMsg: 'setClipboardData:fail privacy permission is not authorized',
        errno: 104,
      })
    this.clipboard = data
    return Promise.resolve({})
  }
  showToast = () => Promise.resolve({})
  setNavigationBarTitle = () => Promise.resolve({})
  stopPullDownRefresh = () => Promise.resolve({})

  getStorageSync = (key: string): unknown => this.storage.get(key) ?? ''
  setStorageSync = (key: string, value: unknown): void => void this.storage.set(key, value)
  removeStorageSync = (key: string): void => void this.storage.delete(key)
  envVersion: 'develop' | 'release' = 'develop'
  getAccountInfoSync = () => ({ miniProgram: { appId: 'touristappid', envVersion: this.envVersion } })
  canIUse = (_schema: string) => true
  getLaunchOptionsSync = () => ({ scene: 1001 })
  getWindowInfo = () => ({ windowWidth: 375, pixelRatio: 2 })
  language = 'zh_CN'
  getAppBaseInfo = () => ({ language: this.language })

  /** The requests, as method and path. */
  asked(): string[] {
    return this.requests.map(({ method, url }) => `${method} ${new URL(url).pathname}`)
  }
}

/** Installs a new FakeWx as the global wx. */
export function fakeWx(): FakeWx {
  const wx = new FakeWx()
  Object.assign(globalThis, { wx })
  return wx
}

export const problem = (status: number, code: string, more: object = {}): Reply => ({
  status,
  data: {
    type: `urn:addcard:problem:${code}`,
    title: code,
    status,
    code,
    detail: `about ${code}`,
    request_id: 'abcdef12-3456',
    ...more,
  },
})

/** Answers logins with the tokens token-1, token-2, …, and passes other requests to next. */
export function signsIn(next: Server): Server {
  let sessions = 0
  return (request) => {
    if (!request.url.endsWith('/v1/session')) return next(request)
    return {
      data: {
        token: `token-${++sessions}`,
        token_type: 'Bearer',
        expires_in: 7200,
        member: { id: 'm', cards: [] },
      },
    }
  }
}
