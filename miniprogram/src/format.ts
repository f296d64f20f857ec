/** Formats numbers, times and colours for the user. All formatting is in this file. */

/** Formats fen as yuan: 1234 → "12.34". */
export function yuan(fen: number): string {
  const text = String(Math.abs(fen)).padStart(3, '0')
  return `${fen < 0 ? '-' : ''}${grouped(text.slice(0, -2))}.${text.slice(-2)}`
}

export const points = (bonus: number): string => (bonus < 0 ? '-' : '') + grouped(String(Math.abs(bonus)))

export const signed = (n: number, text: string): string => (n > 0 ? `+${text}` : text)

const grouped = (digits: string): string => digits.replace(/\B(?=(\d{3})+$)/g, ',')

/** Groups a card number: "1234 5678 9012 3456". */
export const inFours = (number: string): string => number.replace(/(.{4})(?=.)/g, '$1 ')

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

export const cardColour = (name = ''): string => colours[name] ?? '#5e6671'
