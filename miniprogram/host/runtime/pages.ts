/** The page stack with its navigation bar, as WeChat draws them. */
import { glassEasel, type MiniProgramEnv, type Root } from 'glass-easel-miniprogram-adapter'
import type { Part } from '../build.ts'
import type { Shared } from './phone.ts'

export interface PageInstance {
  route: string
  options: Record<string, string>
  [field: string]: unknown
}

interface Open {
  part: Part
  instance: PageInstance
  root: Root
  holder: HTMLElement
  title: string
}

/** Returns the window settings of a page: those of app.json and of the page merged, with theme colours resolved. */
export type WindowConfig = (part: Part) => Record<string, string>

export class Pages {
  private readonly stack: Open[] = []
  private readonly bar = navigationBar(() => this.back())
  private readonly backend: ReturnType<MiniProgramEnv['associateBackend']>

  constructor(
    private readonly env: MiniProgramEnv,
    backend: glassEasel.GeneralBackendContext,
    private readonly parts: Part[],
    private readonly windowOf: WindowConfig,
    private readonly styleOf: (path: string) => HTMLStyleElement | undefined,
  ) {
    this.backend = env.associateBackend(backend)
    document.body.append(this.bar.element)
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.dress())
  }

  current(): PageInstance[] {
    return this.stack.map((open) => open.instance)
  }

  /** Opens "path?query" on top of the stack. */
  push(url: string): void {
    const { part, query } = this.resolve(url)
    const below = this.stack.at(-1)
    if (below) {
      emit(below, 'onHide')
      below.holder.hidden = true
    }
    const holder = document.createElement('div')
    holder.className = 'holder'
    holder.tabIndex = 0 // scrolled with keys as well
    holder.innerHTML = '<div class="pull"><i></i><i></i><i></i></div><div></div>'
    document.body.append(holder)
    const root = this.backend.createRoot('wx-page', this.env.getCodeSpace('main')!, part.path)
    const instance = root.get() as unknown as PageInstance
    instance.route = part.path
    instance.options = query
    const open: Open = {
      part,
      instance,
      root,
      holder,
      title: this.windowOf(part).navigationBarTitleText ?? '',
    }
    this.stack.push(open)
    this.dress()
    root.attach(holder as never, holder.lastElementChild as never)
    holder.addEventListener('scroll', () => {
      if (holder.scrollTop + holder.clientHeight > holder.scrollHeight - 50) emit(open, 'onReachBottom')
    })
    pullGesture(holder, () => this.pullDown())
    emit(open, 'onLoad', query)
    emit(open, 'onShow')
    requestAnimationFrame(() => emit(open, 'onReady'))
  }

  back(): void {
    if (this.stack.length < 2) return
    this.drop()
    const top = this.stack.at(-1)!
    top.holder.hidden = false
    this.dress()
    emit(top, 'onShow')
  }

  replace(url: string): void {
    this.resolve(url) // throws for an unknown page, before anything changes
    this.drop()
    this.push(url)
  }

  title(text: string): void {
    const top = this.stack.at(-1)
    if (top) top.title = text
    this.dress()
  }

  show(): void {
    this.top('onShow')
  }

  hide(): void {
    this.top('onHide')
  }

  pullDown(): void {
    const top = this.stack.at(-1)
    if (!top || !this.windowOf(top.part).enablePullDownRefresh) return
    top.holder.querySelector('.pull')!.classList.add('open')
    emit(top, 'onPullDownRefresh')
  }

  stopPullDown(): void {
    this.stack.at(-1)?.holder.querySelector('.pull')!.classList.remove('open')
  }

  reachBottom(): void {
    this.top('onReachBottom')
  }

  /** What the top page gives when it is shared. Without onShareAppMessage, WeChat's menu offers neither. */
  share(from: 'button' | 'menu'): Shared {
    const page = this.stack.at(-1)?.instance as
      { onShareAppMessage?(o: object): Shared['message']; onShareTimeline?(): Shared['timeline'] } | undefined
    const message = page?.onShareAppMessage?.({ from })
    return message ? { message, timeline: page?.onShareTimeline?.() } : {}
  }

  private top(event: string): void {
    const open = this.stack.at(-1)
    if (open) emit(open, event)
  }

  private drop(): void {
    const gone = this.stack.pop()
    if (!gone) return
    emit(gone, 'onUnload')
    gone.root.release()
    gone.holder.remove()
  }

  private resolve(url: string): { part: Part; query: Record<string, string> } {
    const [path = '', search = ''] = url.replace(/^\//, '').split('?')
    const part = this.parts.find((p) => p.page && p.path === path)
    if (!part) throw new Error(`page "${path}" is not found`)
    return { part, query: Object.fromEntries(new URLSearchParams(search)) }
  }

  /** Draws the navigation bar for the top page, and enables the style sheet of that page only. */
  private dress(): void {
    const top = this.stack.at(-1)
    if (!top) return
    const config = this.windowOf(top.part)
    const style = document.documentElement.style
    style.setProperty('--bar', config.navigationBarBackgroundColor ?? '#ffffff')
    style.setProperty('--bar-text', config.navigationBarTextStyle === 'white' ? '#e6e6e6' : '#191919')
    this.bar.set(top.title, this.stack.length > 1)
    for (const part of this.parts) {
      const sheet = part.page ? this.styleOf(part.path) : undefined
      if (sheet?.sheet) sheet.sheet.disabled = part !== top.part
    }
  }
}

function emit(open: Open, event: string, argument?: unknown): void {
  const lifetime = { onShow: 'show', onHide: 'hide' }[event]
  if (lifetime) open.root.getComponent().triggerPageLifetime(lifetime, [])
  const handler = open.instance[event]
  if (typeof handler === 'function') void handler.call(open.instance, argument)
}

function navigationBar(back: () => void) {
  const element = document.createElement('div')
  element.className = 'bar'
  element.innerHTML =
    '<button class="bar-back" aria-label="back"></button><div class="bar-title" role="banner"></div><div class="bar-capsule" aria-hidden="true"><i></i><b></b><u></u></div>'
  const [button, title] = element.children as unknown as [HTMLButtonElement, HTMLElement]
  button.addEventListener('click', back)
  return {
    element,
    set(text: string, deep: boolean) {
      title.textContent = text
      document.title = text
      button.hidden = !deep
    },
  }
}

/** Calls pulled when the page is pulled down at its top, with a finger or the mouse. */
function pullGesture(holder: HTMLElement, pulled: () => void): void {
  const far = 70
  let from: number | undefined
  holder.addEventListener('pointerdown', (event) => {
    from = holder.scrollTop === 0 ? event.clientY : undefined
  })
  holder.addEventListener('pointermove', (event) => {
    if (from === undefined || event.buttons === 0 || event.clientY - from < far) return
    from = undefined
    pulled()
  })
}
