/** QR codes (ISO/IEC 18004, model 2) of error correction level M, which restores 15% of a damaged picture. */

/** Versions 1 to 3: the width in modules, and the codewords with data and for error correction. */
const versions = [
  { size: 21, data: 16, check: 10 },
  { size: 25, data: 28, check: 16 },
  { size: 29, data: 44, check: 26 },
]

/** Rows of modules; a 1 is dark. undefined is a place without a module yet. */
type Grid = (number | undefined)[][]

/**
 * Returns the rows of a QR code, without the quiet zone of four modules; a 1 is
 * dark. Returns undefined for a text that is empty, longer than a card's code can
 * be, or not of printable ASCII characters.
 */
export function qrCode(text: string): number[][] | undefined {
  const content = /^[ -~]+$/.test(text) ? contentOf(text) : ''
  const version = versions.find(({ data }) => content.length <= data * 8)
  if (!content || !version) return undefined
  const data = codewords(content, version.data)
  const empty = patterns(version.size)
  const unmasked = place(empty, [...data, ...checkwords(data, version.check)])
  const candidates = masks.map((dark, mask) => {
    const masked = unmasked.map((row, y) =>
      row.map((module, x) => (empty[y]![x] === undefined && dark(x, y) ? 1 - module! : module)),
    )
    return format(masked, mask) as number[][]
  })
  const penalties = candidates.map(penalty)
  return candidates[penalties.indexOf(Math.min(...penalties))]
}

const alphanumeric = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:'
const bits = (value: number, count: number) => value.toString(2).padStart(count, '0')

/** The mode, the length and the text as bits, in the shortest of three modes. */
export function contentOf(text: string): string {
  if (/^\d+$/.test(text)) {
    const groups = text.match(/\d{1,3}/g)!.map((digits) => bits(Number(digits), digits.length * 3 + 1))
    return `0001${bits(text.length, 10)}${groups.join('')}`
  }
  const values = [...text].map((character) => alphanumeric.indexOf(character))
  if (!values.includes(-1)) {
    const pairs = values.flatMap((value, i) => {
      if (i % 2 === 1) return []
      const next = values[i + 1]
      return next === undefined ? bits(value, 6) : bits(value * 45 + next, 11)
    })
    return `0010${bits(text.length, 9)}${pairs.join('')}`
  }
  return `0100${bits(text.length, 8)}${[...text].map((c) => bits(c.charCodeAt(0), 8)).join('')}`
}

/** Ends the content with up to four zeros, and fills the rest of the symbol. */
export function codewords(content: string, count: number): number[] {
  const ended = content.padEnd(Math.min(content.length + 4, count * 8), '0')
  const words = ended.match(/.{1,8}/g)!.map((byte) => parseInt(byte.padEnd(8, '0'), 2))
  for (let pad = 0xec; words.length < count; pad ^= 0xec ^ 0x11) words.push(pad)
  return words
}

/** Multiplies in the field of 256 elements with the polynomial 0x11d. */
function multiply(a: number, b: number): number {
  let product = 0
  for (let bit = 7; bit >= 0; bit--) {
    product = (product << 1) ^ ((product >> 7) * 0x11d)
    if ((b >> bit) & 1) product ^= a
  }
  return product
}

/** The Reed-Solomon codewords: the remainder of the data, divided by the generator (x-1)(x-2)(x-4)… */
export function checkwords(data: number[], count: number): number[] {
  let generator = [1]
  for (let i = 0, root = 1; i < count; i++, root = multiply(root, 2)) {
    const shifted = [...generator, 0]
    generator = shifted.map((factor, at) => factor ^ multiply(generator[at - 1] ?? 0, root))
  }
  const rest = [...data, ...Array<number>(count).fill(0)]
  for (let i = 0; i < data.length; i++) {
    const lead = rest[i]!
    generator.forEach((factor, at) => {
      rest[i + at]! ^= multiply(factor, lead)
    })
  }
  return rest.slice(data.length)
}

/** The modules that do not depend on the text, and zeros in the places of the format. */
function patterns(size: number): Grid {
  const grid: Grid = Array.from({ length: size }, () => Array<undefined>(size).fill(undefined))
  for (let i = 8; i < size - 8; i++) grid[6]![i] = grid[i]![6] = (i + 1) % 2
  // Three finders with their light borders, and from version 2 on an alignment pattern in the fourth corner.
  for (const [x, y] of [
    [3, 3],
    [size - 4, 3],
    [3, size - 4],
  ] as const)
    square(grid, x, y, 4, [1, 1, 0, 1, 0])
  if (size > 21) square(grid, size - 7, size - 7, 2, [1, 0, 1])
  return format(grid, 0)
}

/** Draws rings around a centre; shades are those of the rings from the centre on. */
function square(grid: Grid, x: number, y: number, radius: number, shades: number[]): void {
  for (let dy = -radius; dy <= radius; dy++) {
    for (let dx = -radius; dx <= radius; dx++) {
      const row = grid[y + dy]
      if (row && x + dx >= 0 && x + dx < row.length)
        row[x + dx] = shades[Math.max(Math.abs(dx), Math.abs(dy))]
    }
  }
}

/** Writes the level (M is 00) and the mask with their error correction, twice, and the dark module. */
function format(grid: Grid, mask: number): Grid {
  let rest = mask << 10
  for (let bit = 14; bit >= 10; bit--) if ((rest >> bit) & 1) rest ^= 0x537 << (bit - 10)
  const word = ((mask << 10) | rest) ^ 0x5412
  const end = grid.length - 1
  for (let bit = 0; bit < 15; bit++) {
    const module = (word >> bit) & 1
    const low = bit + (bit > 5 ? 1 : 0)
    const high = 14 - bit + (bit < 9 ? 1 : 0)
    if (bit < 8) grid[low]![8] = grid[8]![end - bit] = module
    else grid[8]![high] = grid[end - 14 + bit]![8] = module
  }
  grid[end - 7]![8] = 1
  return grid
}

/** Places the codewords in the empty modules: in columns of two, from the right, upwards first. */
function place(empty: Grid, words: number[]): Grid {
  const grid = empty.map((row) => [...row])
  const stream = words.map((word) => bits(word, 8)).join('')
  const size = grid.length
  let at = 0
  let upwards = true
  // Column 6 is a timing pattern, which the pairs pass over.
  for (let right = size - 1; right > 0; right -= right === 8 ? 3 : 2) {
    for (let i = 0; i < size; i++) {
      const row = grid[upwards ? size - 1 - i : i]!
      // After the last codeword, up to seven modules are left over; they are light.
      for (const x of [right, right - 1]) if (row[x] === undefined) row[x] = Number(stream[at++] ?? 0)
    }
    upwards = !upwards
  }
  return grid
}

const masks: ((x: number, y: number) => boolean)[] = [
  (x, y) => (x + y) % 2 === 0,
  (_, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(y / 2) + Math.floor(x / 3)) % 2 === 0,
  (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
]

/** How hard a symbol is to scan: runs, blocks, patterns like a finder, and too many dark or light modules. */
function penalty(grid: number[][]): number {
  const rows = grid.map((row) => row.join(''))
  const columns = grid.map((_, x) => grid.map((row) => row[x]).join(''))
  let sum = 0
  for (const line of [...rows, ...columns]) {
    for (const run of line.match(/0{5,}|1{5,}/g) ?? []) sum += run.length - 2
    sum += 40 * (line.match(/(?=10111010000|00001011101)/g)?.length ?? 0)
  }
  for (let y = 1; y < grid.length; y++)
    for (let x = 1; x < grid.length; x++)
      if (/^(0000|1111)$/.test(rows[y - 1]!.slice(x - 1, x + 1) + rows[y]!.slice(x - 1, x + 1))) sum += 3
  const dark = rows.join('').replace(/0/g, '').length / grid.length ** 2
  return sum + 10 * Math.floor(Math.abs(dark - 0.5) * 20)
}
