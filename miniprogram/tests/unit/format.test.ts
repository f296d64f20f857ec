import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cardColour, inFours, moment, points, signed, widthOf, yuan } from '../../src/format.ts'
import { format } from '../../scripts/typescript.ts'
import { compileStyle } from '../../host/style.ts'

test('fen as yuan, without floating point', () => {
  const want: [number, string][] = [
    [0, '0.00'],
    [5, '0.05'],
    [50, '0.50'],
    [1234, '12.34'],
    [-3850, '-38.50'],
    [-5, '-0.05'],
    [123456789, '1,234,567.89'],
    [900719925474099, '9,007,199,254,740.99'],
  ]
  for (const [fen, text] of want) assert.equal(yuan(fen), text)
})

test('points and signs', () => {
  assert.equal(points(1234567), '1,234,567')
  assert.equal(points(-1000), '-1,000')
  assert.equal(signed(30, points(30)), '+30')
  assert.equal(signed(-30, points(-30)), '-30')
  assert.equal(signed(0, '0'), '0')
})

test('a grouped card number', () => {
  assert.equal(inFours('1234567890123456'), '1234 5678 9012 3456')
  assert.equal(inFours('AB12CD34EF'), 'AB12 CD34 EF')
  assert.equal(inFours('VIP-2026-000138'), 'VIP-2026-000138')
  assert.equal(inFours('会员20260001'), '会员20260001')
  assert.equal(inFours('123'), '123')
  assert.equal(inFours(''), '')
})

test('the width of a text, in Chinese characters', () => {
  assert.equal(widthOf('积分不兑换现金。'), 8)
  assert.equal(widthOf('One point a yuan'), 8)
  assert.equal(widthOf('每 100 积分'), 5.5)
})

test('a time in the phone’s time zone', () => {
  const at = new Date(2026, 0, 2, 3, 4)
  assert.equal(moment(at.toISOString()), '2026-01-02 03:04')
})

/** WeChat's colours and what the card has: white on it is legible, and the hue is kept. */
const shades: [name: string, wechat: string, card: string][] = [
  ['Color010', '#63b359', '#498441'],
  ['Color020', '#2c9f67', '#248556'],
  ['Color030', '#509fc9', '#3f7d9e'],
  ['Color040', '#5885cf', '#4e76b8'],
  ['Color050', '#9062c0', '#8e61be'],
  ['Color060', '#d09a45', '#956e31'],
  ['Color070', '#e4b138', '#917123'],
  ['Color080', '#ee903c', '#a8662a'],
  ['Color081', '#f08500', '#b16200'],
  ['Color082', '#a9d92d', '#63801a'],
  ['Color090', '#dd6549', '#be563e'],
  ['Color100', '#cc463d', '#cc463d'],
  ['Color101', '#cf3e36', '#cf3e36'],
  ['Color102', '#5e6671', '#5e6671'],
]

for (const [name, wechat, card] of shades) {
  test(`white text is legible on ${name}, which stays recognisable`, () => {
    assert.equal(cardColour(name), card)
    assert.ok(contrast(card, '#ffffff') >= 4.5, `${contrast(card, '#ffffff')}`)
    assert.ok(Math.abs(hue(card) - hue(wechat)) < 4, `the hue ${hue(wechat)} became ${hue(card)}`)
  })
}

test('an unknown colour gets a default', () => {
  assert.equal(cardColour('Color999'), '#5e6671')
  assert.equal(cardColour(undefined), '#5e6671')
})

/** The contrast of two colours, as WCAG 2 defines it. */
function contrast(a: string, b: string): number {
  const [light, dark] = [luminance(a), luminance(b)].toSorted((x, y) => y - x)
  return (light! + 0.05) / (dark! + 0.05)
}

const rgb = (colour: string) => [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16) / 255)

const luminance = (colour: string) =>
  rgb(colour)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i]!, 0)

/** In degrees. */
function hue(colour: string): number {
  const [r = 0, g = 0, b = 0] = rgb(colour)
  return (Math.atan2(Math.sqrt(3) * (g - b), 2 * r - g - b) * 180) / Math.PI
}

test('the types of the API: optional, nested, lists of choices, open objects', () => {
  const document = {
    components: {
      schemas: {
        Thing: {
          type: 'object',
          required: ['id'],
          properties: {
            id: { type: 'string', description: 'Unique.' },
            kinds: { type: 'array', items: { type: 'string', enum: ['a', 'b'] } },
            other: { $ref: '#/components/schemas/Other' },
            fields: { type: 'object', additionalProperties: { type: 'string' } },
          },
        },
        Other: { type: 'object', properties: { n: { type: 'integer' } }, additionalProperties: true },
      },
    },
  }
  assert.equal(
    format(document).split('\n').slice(2).join('\n'),
    `export interface Other {
  n?: number
  [field: string]: unknown
}

export interface Thing {
  /** Unique. */
  id: string
  kinds?: ("a" | "b")[]
  other?: Other
  fields?: Record<string, string>
}
`,
  )
})

test('styles: rpx, page, and classes that stay in their component', () => {
  assert.equal(
    compileStyle('page { width: 750rpx } .a.b > .c { color: red } @keyframes k { 50% { opacity: 0 } }', ''),
    'wx-page { width: 100vw } .a.b > .c { color: red } @keyframes k { 50% { opacity: 0 } }',
  )
  assert.equal(compileStyle(':host .a { margin: -75rpx 0 }', 'x'), '[wx-host=x] .x--a { margin: -10vw 0 }')
})
