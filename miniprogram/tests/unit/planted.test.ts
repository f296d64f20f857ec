import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defects, isSeen, planted } from '../planted.ts'

test('all planted defects fit the sample', async () => {
  await Promise.all(defects.map(planted))
})

const ofUnits = defects.filter((defect) => defect.test[0].startsWith('unit/'))
const today = ofUnits[Math.floor(Date.now() / 86_400_000) % ofUnits.length]!

test(`a test sees the defect of the day: ${today.name}`, async () => {
  assert.ok(await isSeen(today), 'its test passes with the defect, too')
})
