/**
 * Draws barcodes as SVG pictures for <image>. WeChat's <image> shows SVG and data
 * URLs, also without a network. A picture needs no canvas, whose size and scale a
 * page must look after, and unlike a bitmap it is sharp at every size.
 */
import { code128 } from './code128'
import { qrCode } from './qr'

/** A picture; width and height are in px. */
export interface Picture {
  src: string
  width: number
  height: number
}

/** The screen: its width in px, and the device pixels of one px. */
export interface Screen {
  width: number
  ratio: number
}

/** Wider modules are no easier to read, and the whole picture must fit the view of a scanner. */
const widestModule = 3

/** A QR code at most `width` px wide. Returns undefined if it cannot contain the text. */
export function qrPicture(text: string, screen: Screen): Picture | undefined {
  const rows = qrCode(text)
  if (!rows) return undefined
  const across = rows.length + 8
  const size = moduleSize(across, screen) * across
  const path = rows.flatMap((row, y) => runs(row).map(([x, n]) => `M${x + 4} ${y + 4}h${n}v1h-${n}`))
  return { src: svg(across, across, path), width: size, height: size }
}

/** A Code 128 barcode at most `width` px wide. Returns undefined if it cannot contain the text. */
export function barPicture(text: string, screen: Screen, height: number): Picture | undefined {
  const modules = code128(text)
  if (!modules) return undefined
  const across = modules.length + 20
  const module = Math.min(moduleSize(across, screen), Math.floor(widestModule * screen.ratio) / screen.ratio)
  const path = runs(modules).map(([x, n]) => `M${x + 10} 0h${n}v1h-${n}`)
  return { src: svg(across, 1, path), width: module * across, height }
}

/** The size of a module in px: whole device pixels, because scanners misread blurred edges. */
const moduleSize = (across: number, { width, ratio }: Screen): number =>
  Math.max(1, Math.floor((width * ratio) / across)) / ratio

/** The dark runs of a row, as their start and length. */
const runs = (row: number[]): [number, number][] =>
  [...row.join('').matchAll(/1+/g)].map((run) => [run.index, run[0].length])

/** The quiet zone is part of the picture. On a WebView, SVG keeps its proportions unless it says otherwise. */
function svg(width: number, height: number, path: string[]): string {
  const text =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" ` +
    `shape-rendering="crispEdges"><path fill="#fff" d="M0 0h${width}v${height}H0z"/><path d="${path.join('')}"/></svg>`
  return `data:image/svg+xml;base64,${base64(text)}`
}

const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

/** Base64 of an ASCII text; mini-programs have no btoa. */
export function base64(text: string): string {
  const stream = [...text].map((c) => c.charCodeAt(0).toString(2).padStart(8, '0')).join('')
  const sixes = stream.match(/.{1,6}/g) ?? []
  const encoded = sixes.map((six) => digits[parseInt(six.padEnd(6, '0'), 2)]).join('')
  return encoded.padEnd(Math.ceil(encoded.length / 4) * 4, '=')
}
