/** Barcodes in Code 128 (ISO/IEC 15417), with the code sets B (characters) and C (pairs of digits). */

/** The widths of the bars and spaces of each value, six digits each. */
const widths =
  '212222222122222221121223121322131222122213122312132212221213221312231212112232122132122231113222' +
  '123122123221223211221132221231213212223112312131311222321122321221312212322112322211212123212321' +
  '232121111323131123131321112313132113132311211313231113231311112133112331132131113123113321133121' +
  '313121211331231131213113213311213131311123311321331121312113312311332111314111221411431111111224' +
  '111422121124121421141122141221112214112412122114122411142112142211241211221114413111241112134111' +
  '111242121142121241114212124112124211411212421112421211212141214121412121111143111341131141114113' +
  '114311411113411311113141114131311141411131211412211214211232'

/** Starts or changes to a set. Each has another value in the other set. */
const startB = 104
const startC = 105
const toB = 100
const toC = 99
const stop = '2331112'

/**
 * Returns the modules of a barcode, without the quiet zones of ten modules; a 1
 * is a bar. Returns undefined for a text that is empty or not of printable ASCII
 * characters.
 */
export function code128(text: string): number[] | undefined {
  if (!/^[ -~]+$/.test(text)) return undefined
  const values = valuesOf(text)
  const pattern = [...values, checksum(values)].map((value) => widths.slice(value * 6, value * 6 + 6))
  return [...pattern.join(''), ...stop].flatMap((width, i) => Array<number>(Number(width)).fill((i + 1) % 2))
}

/**
 * The values of the start and of the text. Digits are in set C if that makes the
 * barcode shorter: four at the start or the end, six in the middle, or two alone.
 */
export function valuesOf(text: string): number[] {
  const values: number[] = []
  const parts = text.match(/^\d{2}$|^(?:\d\d){2,}|(?:\d\d){2,}$|(?:\d\d){3,}(?=\D)|[^]/g) ?? []
  let inC = false
  for (const part of parts) {
    const pairs = part.length > 1
    if (values.length === 0) values.push(pairs ? startC : startB)
    else if (pairs !== inC) values.push(pairs ? toC : toB)
    inC = pairs
    values.push(...(pairs ? part.match(/../g)!.map(Number) : [part.charCodeAt(0) - 32]))
  }
  return values
}

/** Each value counts as often as its position says; the start counts once. */
const checksum = (values: number[]): number =>
  values.reduce((sum, value, position) => sum + value * Math.max(position, 1), 0) % 103
