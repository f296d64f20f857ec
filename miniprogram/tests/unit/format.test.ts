import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cardColour, inFours, moment, points, signed, yuan } from '../../src/format.ts'
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
  assert.equal(inFours('123'), '123')
  assert.equal(inFours(''), '')
})

test('a time in the phone’s time zone', () => {
  const at = new Date(2026, 0, 2, 3, 4)
  assert.equal(moment(at.toISOString()), '2026-01-02 03:04')
})

test('an unknown colour gets a default', () => {
  assert.equal(cardColour('Color010'), '#63b359')
  assert.match(cardColour('Color999'), /^#/)
  assert.match(cardColour(undefined), /^#/)
})

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
