import assert from 'node:assert/strict'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test, type TestContext } from 'node:test'
import { buildMiniProgram } from '../../host/build.ts'

const src = resolve(import.meta.dirname, '../../src')

/** Returns a copy of the sample in which one file is changed. */
async function changed(t: TestContext, file: string, edit: (text: string) => string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'addcard-build-'))
  t.after(() => rm(folder, { recursive: true }))
  await cp(src, folder, { recursive: true })
  const path = join(folder, file)
  await writeFile(path, edit(await readFile(path, 'utf8')))
  return folder
}

test('the sample builds into one script, and its input files are listed', async () => {
  const { script, files } = await buildMiniProgram(src)
  assert.match(script, /立即领取/)
  for (const file of [
    'app.json',
    'app.wxss',
    'texts.ts',
    'pages/member/member.wxml',
    'components/notice/notice.ts',
  ]) {
    assert.ok(files.includes(join(src, file)), `${file} is among ${files.join('\n')}`)
  }
})

for (const [what, file, edit, want] of [
  [
    'an unclosed template',
    'pages/index/index.wxml',
    (text: string) => text.replace('</view>', ''),
    /pages\/index\/index\.wxml:\d+:\d+: /,
  ],
  [
    'a wrong expression',
    'components/notice/notice.wxml',
    (text: string) => text.replace('{{ title }}', '{{ title + }}'),
    /notice\.wxml:5:\d+: /,
  ],
  ['invalid code', 'app.ts', (text: string) => `${text}\nconst = 1`, /app\.ts:\d+:6/],
  [
    'an import of a missing file',
    'app.ts',
    (text: string) => text.replace('./services/activation', './services/nothing'),
    /services\/nothing/,
  ],
  [
    'invalid styles',
    'app.wxss',
    (text: string) => `${text}\n.a { color: red`,
    /app\.wxss:\d+:\d+: Unclosed block/,
  ],
  ['invalid configuration', 'app.json', (text: string) => `${text},`, /^Error: app\.json: /],
  [
    'a missing component',
    'pages/index/index.json',
    (text: string) => text.replace('notice/notice', 'notice/none'),
    /none\.json/,
  ],
  [
    'a missing page',
    'app.json',
    (text: string) => text.replace('pages/member/member', 'pages/none/none'),
    /none\.json/,
  ],
] as const) {
  test(`${what} is reported with its place`, async (t) => {
    await assert.rejects(buildMiniProgram(await changed(t, file, edit)), want)
  })
}
