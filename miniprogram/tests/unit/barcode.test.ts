import assert from 'node:assert/strict'
import { test } from 'node:test'
import { code128, valuesOf } from '../../src/barcode/code128.ts'
import { barPicture, base64, qrPicture } from '../../src/barcode/picture.ts'
import { checkwords, codewords, contentOf, qrCode } from '../../src/barcode/qr.ts'
import { randomCodes } from '../codes.ts'
import { decode } from '../decoder.ts'

const bytes = (hex: string) => hex.match(/\w\w/g)!.map((byte) => parseInt(byte, 16))

test('QR code: the example of ISO/IEC 18004, version 1-M', () => {
  const data = codewords(contentOf('01234567'), 16)
  assert.deepEqual(data, bytes('10200c566180ec11ec11ec11ec11ec11'))
  assert.deepEqual(checkwords(data, 10), bytes('a524d4c1ed36c7872c55'))
})

test('QR code: letters in alphanumeric mode', () => {
  const data = codewords(contentOf('HELLO WORLD'), 16)
  assert.deepEqual(data, [32, 91, 11, 120, 209, 114, 220, 77, 67, 64, 236, 17, 236, 17, 236, 17])
  assert.deepEqual(checkwords(data, 10), [196, 35, 39, 119, 235, 215, 231, 226, 93, 23])
})

test('QR code: the version is the smallest that has room', () => {
  for (const [text, size] of [
    ['1'.repeat(34), 21],
    ['1'.repeat(35), 25],
    ['A'.repeat(20), 21],
    ['A'.repeat(21), 25],
    ['a'.repeat(14), 21],
    ['a'.repeat(15), 25],
    ['a'.repeat(26), 25],
    ['a'.repeat(27), 29],
    ['a'.repeat(42), 29],
  ] as const)
    assert.equal(qrCode(text)?.length, size, text)
})

test('a text that cannot be drawn has no picture', () => {
  for (const text of ['', '会员', 'a\n', '\u{7f}']) {
    assert.equal(qrCode(text), undefined)
    assert.equal(code128(text), undefined)
  }
  assert.equal(qrCode('a'.repeat(43)), undefined)
})

for (const [text, values] of [
  ['1', [104, 17]],
  ['12', [105, 12]],
  ['123', [104, 17, 18, 19]],
  ['1234', [105, 12, 34]],
  ['12345', [105, 12, 34, 100, 21]],
  ['123456789012', [105, 12, 34, 56, 78, 90, 12]],
  ['ab', [104, 65, 66]],
  ['A1234B', [104, 33, 17, 18, 19, 20, 34]],
  ['A123456B', [104, 33, 99, 12, 34, 56, 100, 34]],
  ['A1234567B', [104, 33, 17, 99, 23, 45, 67, 100, 34]],
  ['A1234', [104, 33, 99, 12, 34]],
  ['A123456789', [104, 33, 17, 99, 23, 45, 67, 89]],
] as const) {
  test(`Code 128: the values of ${text}`, () => assert.deepEqual(valuesOf(text), values))
}

test('Code 128: start, checksum and stop as in the standard', () => {
  const runs = [...code128('Wikipedia')!.join('').matchAll(/1+|0+/g)]
  const widths = runs.map(([run]) => run.length).join('')
  assert.equal(widths.length, 11 * 6 + 7)
  assert.equal(widths.slice(0, 6), '211214', 'start B')
  assert.equal(widths.slice(-13), '4212112331112', 'the checksum 88, and stop')
})

/** Returns the pixels of rows of modules, each module three pixels wide, with a quiet zone around them. */
function pixels(rows: number[][], quiet: number) {
  const scale = 3
  const side = (modules: number) => (modules + 2 * quiet) * scale
  const [width, height] = [side(rows[0]!.length), side(rows.length)]
  const data = new Uint8ClampedArray(width * height * 4).fill(255)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      if (rows[Math.floor(y / scale) - quiet]?.[Math.floor(x / scale) - quiet])
        data.fill(0, (y * width + x) * 4, (y * width + x) * 4 + 3)
  return { data, width, height, colorSpace: 'srgb' as const }
}

test('another program reads both kinds, for every character and length', async () => {
  const printable = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join('')
  const pairs = Array.from({ length: 100 }, (_, i) => String(i).padStart(2, '0')).join('')
  const texts = [...randomCodes(40), ...`${printable}${pairs}`.match(/.{1,20}/g)!]
  for (const text of texts) {
    assert.deepEqual(await decode(pixels(qrCode(text)!, 4)), { QRCode: text })
    const bars = Array<number[]>(30).fill(code128(text)!)
    assert.deepEqual(await decode(pixels(bars, 10)), { Code128: text })
  }
})

test('base64 is that of RFC 4648', () => {
  for (const text of ['', 'f', 'fo', 'foo', 'foob', 'fooba', 'foobar', '<svg/>~'])
    assert.equal(base64(text), Buffer.from(text).toString('base64'))
})

test('modules are whole device pixels, on every screen that the longest code fits', () => {
  const longest = 'z'.repeat(20)
  for (const ratio of [1, 1.5, 2, 2.625, 2.75, 3, 3.5]) {
    for (const width of [280, 320, 375, 600]) {
      for (const text of [longest, '123456789012', '1']) {
        const bars = barPicture(text, { width, ratio }, 90)!
        const qr = qrPicture(text, { width, ratio })!
        for (const [picture, across] of [
          [bars, code128(text)!.length + 20],
          [qr, qrCode(text)!.length + 8],
        ] as const) {
          assert.ok(picture.width <= width, `${text}: ${picture.width} px of ${width}`)
          const module = (picture.width * ratio) / across
          assert.ok(Math.abs(module - Math.round(module)) < 1e-9, `${text}: ${module} device pixels`)
        }
        assert.ok(bars.width / (code128(text)!.length + 20) <= 3)
      }
    }
  }
})
