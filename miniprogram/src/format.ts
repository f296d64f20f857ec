/** Formats numbers, times and colours for the user. All formatting is in this file. */

/** Formats fen as yuan: 1234 → "12.34". */
export function yuan(fen: number): string {
  const text = String(Math.abs(fen)).padStart(3, '0')
  return `${fen < 0 ? '-' : ''}${grouped(text.slice(0, -2))}.${text.slice(-2)}`
}

export const points = (bonus: number): string => (bonus < 0 ? '-' : '') + grouped(String(Math.abs(bonus)))

export const signed = (n: number, text: string): string => (n > 0 ? `+${text}` : text)

const grouped = (digits: string): string => digits.replace(/\B(?=(\d{3})+$)/g, ',')

/** Groups a card number: "1234 5678 9012 3456". One with other characters, such as VIP-2026, has groups of its own. */
export const inFours = (number: string): string =>
  /^[0-9A-Za-z]+$/.test(number) ? number.replace(/(.{4})(?=.)/g, '$1 ') : number

/** How wide a text is, in Chinese characters. Latin letters, digits and spaces are about half as wide. */
export const widthOf = (text: string): number =>
  [...text].reduce((width, character) => width + (character < '\u2e80' ? 0.5 : 1), 0)

/** Formats a time, in RFC 3339 or in milliseconds since 1970, in the phone's time zone: "2026-11-25 09:31". */
export function moment(time: string | number): string {
  const at = new Date(time)
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`
}

/** Formats a time of today, in milliseconds since 1970: "09:31:05". */
export function clock(time: number): string {
  const at = new Date(time)
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
}

const two = (n: number) => String(n).padStart(2, '0')

/** WeChat's names for card colours. */
const colours: Record<string, string> = {
  Color010: '#63b359',
  Color020: '#2c9f67',
  Color030: '#509fc9',
  Color040: '#5885cf',
  Color050: '#9062c0',
  Color060: '#d09a45',
  Color070: '#e4b138',
  Color080: '#ee903c',
  Color081: '#f08500',
  Color082: '#a9d92d',
  Color090: '#dd6549',
  Color100: '#cc463d',
  Color101: '#cf3e36',
  Color102: '#5e6671',
}

/** The colour of a card, as dark as white text on it needs: WeChat's lighter ones are shaded. */
export function cardColour(name = ''): string {
  const wechat = channels(colours[name] ?? '#5e6671')
  let rgb = wechat
  for (let part = 0.99; contrastWithWhite(rgb) < 4.5; part -= 0.01)
    rgb = wechat.map((channel) => Math.floor(channel * part))
  return `#${rgb.map((channel) => channel.toString(16).padStart(2, '0')).join('')}`
}

const channels = (colour: string): number[] =>
  [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16))

/** The ratio that WCAG 2 defines; 4.5 is its least for text. */
function contrastWithWhite(rgb: number[]): number {
  const [red, green, blue] = rgb.map((channel) => {
    const part = channel / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  })
  return 1.05 / (0.2126 * red! + 0.7152 * green! + 0.0722 * blue! + 0.05)
}
