/** The built-in elements that are more than a styled tag. */
import type { CodeSpace } from 'glass-easel-miniprogram-adapter'
import { artwork } from './artwork.ts'

/** Makes <image> and <page-meta> known to every component. */
export function defineElements(space: CodeSpace, textScale: number): void {
  const components = space.getComponentSpace()
  const image = components
    .define('image')
    .property('src', String)
    .property('mode', String)
    .observer(['src', 'mode'], function (this: unknown) {
      const { data, element } = parts(this)
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

/** The data and the DOM element of a component that is handed as this. */
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

/** Two things that a browser would not know about an attribute of WXML. */
export function patchAttributes(): void {
  const set = Element.prototype.setAttribute
  Element.prototype.setAttribute = function (name: string, value: string) {
    set.call(this, name === 'aria-role' ? 'role' : name, name === 'style' ? rpx(value) : value)
  }
}

const rpx = (style: string) => style.replace(/(-?[\d.]+)rpx\b/g, (_, n: string) => `${Number(n) / 7.5}vw`)
