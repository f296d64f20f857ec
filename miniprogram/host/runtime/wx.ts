/** The part of wx that the sample uses. Any other property throws an error. */
import type { Pages } from './pages.ts'
import type { Phone } from './phone.ts'
import { Privacy } from './privacy.ts'

type Options = Record<string, unknown> & {
  success?: (result: unknown) => void
  fail?: (error: { errMsg: string }) => void
  complete?: (result: unknown) => void
}

/** Returns the global wx. isTap reports whether a tap is being handled. */
export function makeWx(
  phone: Phone,
  pages: Pages,
  isTap: () => boolean,
  privacy = new Privacy(true),
): object {
  const asked = (name: string) => api(name, (argument) => ask(phone, name, argument))
  const tapped = (name: string) =>
    api(name, (argument) =>
      isTap()
        ? ask(phone, name, argument)
        : Promise.reject(new Failure('can only be invoked by user TAP gesture.')),
    )
  const local = (name: string, act: (o: Options) => void) =>
    api(name, (o) => {
      act(o)
      return Promise.resolve({})
    })
  const stored = (key: string) => `${phone.settings.user}/${key}`
  const known: Record<string, unknown> = {
    login: asked('login'),
    addCard: asked('addCard'),
    openCard: asked('openCard'),
    navigateToMiniProgram: tapped('navigateToMiniProgram'),
    requestSubscribeMessage: tapped('requestSubscribeMessage'),
    showModal: asked('showModal'),
    canIUse: (schema: string) => !phone.settings.lacks?.includes(schema),
    getLaunchOptionsSync: () => phone.settings.launch,
    getUpdateManager: () => ({
      onUpdateReady: (ready: () => void) => phone.settings.updateReady && queueMicrotask(ready),
      applyUpdate: () => void phone.call('applyUpdate', {}),
    }),
    getFileSystemManager: () => ({
      saveFile: api('saveFile', (o) => Promise.resolve({ savedFilePath: o.tempFilePath })),
      removeSavedFile: api('removeSavedFile', () => Promise.resolve({})),
    }),
    onNeedPrivacyAuthorization: privacy.listen.bind(privacy),
    requirePrivacyAuthorize: api('requirePrivacyAuthorize', async () => {
      await privacy.require('requirePrivacyAuthorize')
      return {}
    }),
    getPrivacySetting: api('getPrivacySetting', () =>
      Promise.resolve({
        needAuthorization: !privacy.agreed,
        privacyContractName: '《示例小店小程序隐私保护指引》',
      }),
    ),
    openPrivacyContract: asked('openPrivacyContract'),
    makePhoneCall: asked('makePhoneCall'),
    showToast: asked('showToast'),
    setClipboardData: api('setClipboardData', async (argument) => {
      await privacy.require('setClipboardData')
      return ask(phone, 'setClipboardData', argument)
    }),
    getScreenBrightness: asked('getScreenBrightness'),
    setScreenBrightness: asked('setScreenBrightness'),
    setKeepScreenOn: asked('setKeepScreenOn'),
    request: (o: Options) => request(phone, o),
    navigateTo: local('navigateTo', (o) => pages.push(String(o.url))),
    redirectTo: local('redirectTo', (o) => pages.replace(String(o.url))),
    navigateBack: local('navigateBack', () => pages.back()),
    setNavigationBarTitle: local('setNavigationBarTitle', (o) => pages.title(String(o.title))),
    stopPullDownRefresh: local('stopPullDownRefresh', () => pages.stopPullDown()),
    getStorageSync: (key: string) => JSON.parse(localStorage.getItem(stored(key)) ?? '""') as unknown,
    setStorageSync: (key: string, value: unknown) => localStorage.setItem(stored(key), JSON.stringify(value)),
    removeStorageSync: (key: string) => localStorage.removeItem(stored(key)),
    getAccountInfoSync: () => ({
      miniProgram: { appId: 'touristappid', envVersion: phone.settings.envVersion, version: '' },
    }),
    getWindowInfo: () => ({ windowWidth: innerWidth, pixelRatio: devicePixelRatio }),
    getDeviceInfo: () => ({ platform: 'devtools' }),
    getAppBaseInfo: () => ({ language: phone.settings.language }),
  }
  return new Proxy(known, {
    get(target, name: string) {
      if (name in target) return target[name]
      throw new Error(`wx.${name} is not part of this host`)
    },
  })
}

/** Its message is the text after "<name>:fail ". */
class Failure extends Error {}

async function ask(phone: Phone, name: string, argument: unknown): Promise<object> {
  const answer = await phone.call(name, argument)
  if ('fail' in answer) throw new Failure(answer.fail)
  return answer.result as object
}

/** Makes a function of wx: like WeChat's, it returns a promise unless it is given callbacks. */
function api(name: string, act: (o: Options) => Promise<object>) {
  return (options: Options = {}) => {
    const { success, fail, complete, ...argument } = options
    const outcome = act(argument as Options).then(
      (result) => ({ errMsg: `${name}:ok`, ...result }),
      (error: unknown) => {
        throw { errMsg: `${name}:fail ${error instanceof Error ? error.message : String(error)}` }
      },
    )
    if (!success && !fail && !complete) return outcome
    outcome.then(success, fail).finally(() => complete?.({}))
    return undefined
  }
}

/** wx.request returns a task, never a promise, and calls success for every HTTP status. */
function request(phone: Phone, o: Options): object {
  const { success, fail, complete, ...argument } = o
  phone
    .call('request', argument)
    .then((answer) => {
      if ('fail' in answer) {
        fail?.({ errMsg: `request:fail ${answer.fail}` })
        return
      }
      const { statusCode, header, data } = answer.result as {
        statusCode: number
        header: object
        data: string
      }
      success?.({ errMsg: 'request:ok', statusCode, header, data: parsed(data) })
    })
    .finally(() => complete?.({}))
  return { abort() {} }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}
