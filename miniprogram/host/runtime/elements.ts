/** The built-in elements that need code, not only styles. */
import type { CodeSpace } from 'glass-easel-miniprogram-adapter'
import { artwork } from './artwork.ts'

/** Defines <image> and <page-meta> for all components. */
export function defineElements(space: CodeSpace, textScale: number): void {
  const components = space.getComponentSpace()
  const image = components
    .define('image')
    .property('src', String)
    .property('mode', String)
    .observer(['src', 'mode'], function (this: unknown) {
      const { data, element } = parts(this)
      if (!element) return // its page was closed
      element.style.backgroundSize = data.mode === 'aspectFit' ? 'contain' : 'cover'
      show(element, data.src ?? '', () => triggerError(this))
    })
    .registerComponent()
  const meta = components
    .define('page-meta')
    .property('rootFontSize', String)
    .property('pageFontSize', String)
    .observer('rootFontSize', function (this: unknown) {
      const { data } = parts(this)
      if (data.rootFontSize === 'system') document.documentElement.style.fontSize = `${16 * textScale}px`
    })
    .registerComponent()
  components.setGlobalUsingComponent('image', image)
  components.setGlobalUsingComponent('page-meta', meta)
}

/** The data and the DOM element of a component. */
function parts(component: unknown) {
  const c = component as { data: Record<string, string | undefined>; $$: HTMLElement }
  return { data: c.data, element: c.$$ }
}

function triggerError(component: unknown) {
  ;(component as { triggerEvent(name: string, detail: unknown): void }).triggerEvent('error', {})
}

function show(element: HTMLElement, src: string, failed: () => void) {
  const url = artwork(src)
  const loader = new Image()
  loader.addEventListener('load', () => {
    element.style.backgroundImage = `url(${JSON.stringify(url)})`
  })
  loader.addEventListener('error', failed)
  loader.src = url
}

/** Translates attributes of WXML for the browser: aria-role, and rpx in style. */
export function patchAttributes(): void {
  const set = Element.prototype.setAttribute
  Element.prototype.setAttribute = function (name: string, value: string) {
    set.call(this, name === 'aria-role' ? 'role' : name, name === 'style' ? rpx(value) : value)
    if (name === 'aria-role' && value === 'heading') set.call(this, 'aria-level', '2') // WeChat has no levels
  }
}

const rpx = (style: string) => style.replace(/(-?[\d.]+)rpx\b/g, (_, n: string) => `${Number(n) / 7.5}vw`)
