/** Runs a built mini-program in this page, on WeChat's component framework. */
import { glassEasel, MiniProgramEnv } from 'glass-easel-miniprogram-adapter'
import type { Part } from '../build.ts'
import { baseStyle } from './base.css.ts'
import { press } from './buttons.ts'
import { defineElements, patchAttributes } from './elements.ts'
import { showPresses } from './hover.ts'
import { Pages } from './pages.ts'
import type { Launch } from './phone.ts'
import { Privacy } from './privacy.ts'
import { makeWx } from './wx.ts'

interface Bundle {
  app: Record<string, unknown>
  theme: Record<string, Record<string, string>>
  parts: Part[]
  styles: Record<string, string>
  templates: Record<string, unknown>
  load: Record<string, () => void>
}

interface AppOptions {
  onLaunch?(options: object): void
  onShow?(options: object): void
  onHide?(): void
}

export function run(bundle: Bundle): void {
  const { phone } = window
  patchAttributes()
  document.addEventListener('submit', swallow, true) // the browser's own event; see buttons.ts for WeChat's
  showPresses()
  document.documentElement.lang = phone.settings.language.replace('_', '-')
  const sheets = addStyles(bundle)
  const env = new MiniProgramEnv()
  const space = env.createCodeSpace('main', true)
  defineElements(space, phone.settings.textScale)

  const privacy = new Privacy(phone.settings.privacyAgreed ?? true)
  let tapping = false
  const backend = new glassEasel.CurrentWindowBackendContext()
  backend.onEvent((target, type, detail, options) => {
    const event = new glassEasel.Event(type, detail, options)
    tapping = type === 'tap'
    glassEasel.Event.dispatchEvent(target, event)
    tapping = false
    if (type === 'tap')
      void press(
        target as never,
        phone,
        privacy,
        () => void phone.call('share', pages.share('button').message),
      )
    return event.getEventBubbleStatus()
  })

  const pages = new Pages(
    env,
    backend,
    bundle.parts,
    (part) => windowOf(bundle, part),
    (path) => sheets.get(path),
  )
  let app: AppOptions = {}
  Object.assign(globalThis, {
    wx: makeWx(phone, pages, () => tapping, privacy),
    App: (options: AppOptions) => {
      app = options
    },
    getApp: () => app,
    getCurrentPages: () => pages.current(),
  })
  for (const part of bundle.parts) {
    space.addComponentStaticConfig(part.path, part.config)
    space.addCompiledTemplate(part.path, {
      groupList: bundle.templates,
      content: bundle.templates[part.path],
      fallbackListenerOnNativeNode: true, // accept bindtap as well as bind:tap
    } as never)
    space.addStyleSheet(part.path, undefined, part.scope)
  }
  bundle.load.app?.()
  // Components first: a page needs its components when it is defined.
  for (const part of bundle.parts.toSorted((a, b) => Number(a.page) - Number(b.page))) {
    space.globalComponentEnv(globalThis, part.path, () => bundle.load[part.path]!())
  }

  const { launch } = phone.settings
  app.onLaunch?.(launch)
  app.onShow?.(launch)
  pages.push(`${launch.path}?${new URLSearchParams(launch.query).toString()}`)
  window.host = {
    show: (again: Pick<Launch, 'scene' | 'referrerInfo'>) => {
      app.onShow?.({ ...launch, ...again })
      pages.show()
    },
    hide: () => {
      pages.hide()
      app.onHide?.()
    },
    pullDown: () => pages.pullDown(),
    reachBottom: () => pages.reachBottom(),
    back: () => pages.back(),
    share: () => pages.share('menu'),
    route: () => pages.current().at(-1)?.route ?? '',
  }
}

function swallow(event: Event): void {
  event.preventDefault()
  event.stopImmediatePropagation()
}

/** Adds a style element for the host, for the app, and for each page and component. */
function addStyles(bundle: Bundle): Map<string, HTMLStyleElement> {
  const sheets = new Map<string, HTMLStyleElement>()
  const add = (name: string, text: string) => {
    const style = document.createElement('style')
    style.dataset.of = name
    style.textContent = text
    document.head.append(style)
    sheets.set(name, style)
  }
  add('host', baseStyle)
  for (const name of ['app', ...bundle.parts.map((part) => part.path)]) add(name, bundle.styles[name] ?? '')
  return sheets
}

/** Merges the window settings of app.json and of the page; "@name" is a colour of the theme. */
function windowOf(bundle: Bundle, part: Part): Record<string, string> {
  const dark = bundle.app.darkmode && matchMedia('(prefers-color-scheme: dark)').matches
  const colours = bundle.theme[dark ? 'dark' : 'light'] ?? {}
  const merged = { ...(bundle.app.window as object), ...part.config } as Record<string, string>
  return Object.fromEntries(
    Object.entries(merged).map(([name, value]) => [
      name,
      typeof value === 'string' && value.startsWith('@') ? (colours[value.slice(1)] ?? '') : value,
    ]),
  )
}
