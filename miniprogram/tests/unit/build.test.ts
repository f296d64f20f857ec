import assert from 'node:assert/strict'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test, type TestContext } from 'node:test'
import { buildMiniProgram } from '../../host/build.ts'

const src = resolve(import.meta.dirname, '../../src')

/** A copy of the sample with one file changed. */
async function changed(t: TestContext, file: string, edit: (text: string) => string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'addcard-build-'))
  t.after(() => rm(folder, { recursive: true }))
  await cp(src, folder, { recursive: true })
  const path = join(folder, file)
  await writeFile(path, edit(await readFile(path, 'utf8')))
  return folder
}

test('the sample builds into one script, from files that can be watched', async () => {
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
    'a template that is not closed',
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
  ['code that is none', 'app.ts', (text: string) => `${text}\nconst = 1`, /app\.ts:9:6/],
  [
    'an import of nothing',
    'app.ts',
    (text: string) => text.replace('./services/activation', './services/nothing'),
    /services\/nothing/,
  ],
  [
    'styles that are none',
    'app.wxss',
    (text: string) => `${text}\n.a { color: red`,
    /app\.wxss:\d+:\d+: Unclosed block/,
  ],
  ['configuration that is none', 'app.json', (text: string) => `${text},`, /^Error: app\.json: /],
  [
    'a component that is not there',
    'pages/index/index.json',
    (text: string) => text.replace('notice/notice', 'notice/none'),
    /none\.json/,
  ],
  [
    'a page that is not there',
    'app.json',
    (text: string) => text.replace('pages/member/member', 'pages/none/none'),
    /none\.json/,
  ],
] as const) {
  test(`${what} is told with its place`, async (t) => {
    await assert.rejects(buildMiniProgram(await changed(t, file, edit)), want)
  })
}
