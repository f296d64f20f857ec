/** The phone's size, which the developer chooses and the page's address keeps. */
import { el } from './dom.ts'

/** In CSS pixels. */
const sizes: Record<string, [width: number, height: number]> = {
  'iPhone SE (320)': [320, 568],
  'Android (360)': [360, 780],
  'iPhone 13 mini (375)': [375, 812],
  'iPhone 14 (390)': [390, 844],
  'iPhone 11 (414)': [414, 896],
  'iPhone 15 Plus (430)': [430, 932],
}

let width = Number(new URLSearchParams(location.search).get('width') ?? 375)
resize(width)

function resize(to: number): void {
  const size = Object.values(sizes).find(([one]) => one === to) ?? [375, 812]
  width = size[0]
  const { style } = document.documentElement
  style.setProperty('--width', `${size[0]}px`)
  style.setProperty('--height', `${size[1]}px`)
}

/** Returns a selector for the size. */
export function deviceChoice(): HTMLSelectElement {
  return el(
    'select',
    {
      change: (event) => {
        resize(Number((event.target as HTMLSelectElement).value))
        const address = new URL(location.href)
        address.searchParams.set('width', String(width))
        history.replaceState(null, '', address)
      },
    },
    ...Object.entries(sizes).map(([name, [size]]) =>
      el('option', { value: String(size), selected: size === width }, name),
    ),
  )
}
