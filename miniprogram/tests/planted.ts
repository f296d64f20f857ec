/**
 * Plants defects in a copy of the sample, one at a time. The test of each must
 * fail. `npm run planted` plants all; `npm run test:unit` plants one of them,
 * another one each day.
 */
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from '../scripts/programs.ts'

export interface Defect {
  name: string
  /** In file, the text `from`, which is there once, becomes `to`. */
  file: string
  from: string
  to: string
  /** The file of the test that sees it, and a part of the test's name. */
  test: [file: string, name: string]
}

export const defects: Defect[] = [
  {
    name: 'no busy guard: the second of two taps acts, too',
    file: 'guard.ts',
    from: 'if (page.acting) return',
    to: '',
    test: ['unit/index.test.ts', 'two taps open the other page once'],
  },
  {
    name: 'no reach-bottom guard: rows are asked for again and again',
    file: 'pages/member/member.ts',
    from: "if (this.data.historyState === 'more') void",
    to: 'void',
    test: ['unit/member.test.ts', 'the bottom is reached twice'],
  },
  {
    name: 'no visibility guard: a hidden page goes on looking',
    file: 'pages/member/member.ts',
    from: 'if (!this.visible || this.polls',
    to: 'if (this.polls',
    test: ['unit/member.test.ts', 'a page that is not visible does not look'],
  },
  {
    name: 'swallowed history failures',
    file: 'pages/member/member.ts',
    from: "      historyState: 'failed',",
    to: '',
    test: ['unit/member.test.ts', 'a history that cannot be loaded says so'],
  },
  {
    name: 'late answers count',
    file: 'guard.ts',
    from: 'return () => load === page.loads',
    to: 'return () => load > 0',
    test: ['unit/member.test.ts', 'the late answer of an earlier load is dropped'],
  },
  {
    name: 'one failed look ends the waiting for the activation',
    file: 'pages/member/member.ts',
    from: 'this.pollAgain(error instanceof ApiError ? error.retryAfter : 0)',
    to: '',
    test: ['unit/member.test.ts', 'one failed look does not end the waiting'],
  },
  {
    name: 'hidden terms',
    file: 'app.wxss',
    from: '.section-text {',
    to: '.section-text { display: none;',
    test: ['e2e/looks.test.ts', 'long terms are folded'],
  },
  {
    name: 'terms that cannot be unfolded',
    file: 'components/card-details/card-details.ts',
    from: 'this.setData({ folded: !this.data.folded })',
    to: '',
    test: ['e2e/looks.test.ts', 'long terms are folded'],
  },
  {
    name: 'text on a picture is as legible as the picture lets it be',
    file: 'components/member-card/member-card.wxss',
    from: 'background: rgba(0, 0, 0, 0.54)',
    to: 'background: rgba(0, 0, 0, 0.5)',
    test: ['e2e/looks.test.ts', 'white text is legible on a white picture'],
  },
  {
    name: 'a card is taken without the phone number that the shop requires',
    file: 'pages/index/index.ts',
    from: "if (given.kind !== 'given') return this",
    to: "if (given.kind !== 'given') this",
    test: ['e2e/joining.test.ts', 'a shop can ask for the phone number'],
  },
  {
    name: "a shared page shows a picture of the member's number and points",
    file: 'services/share.ts',
    from: 'imageUrl: face.background_pic_url || face.logo_url',
    to: "imageUrl: ''",
    test: ['e2e/joining.test.ts', 'a shared card is taken'],
  },
]

/** Returns the text of the defect's file with the defect. Throws if the defect does not fit the sample any more. */
export async function planted({ name, file, from, to }: Defect): Promise<string> {
  const text = await readFile(join(root, 'src', file), 'utf8')
  if (text.split(from).length !== 2) throw new Error(`${name}: ${file} contains "${from}" not once`)
  return text.replace(from, to)
}

/** Reports whether the defect's test passes with the sample in src. */
function passes(src: string, [file, name]: Defect['test']): Promise<boolean> {
  const args = ['--import', 'tsx', '--test', `--test-name-pattern=${name}`, join(root, 'tests', file)]
  // The variable would make it a part of the tests that run this one.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  return new Promise((ended) => {
    execFile(process.execPath, args, { cwd: root, env: { ...env, SRC: src } }, (error) => ended(!error))
  })
}

/** Reports whether the test of the defect fails with it. Throws if the test fails without it as well. */
export async function isSeen(defect: Defect): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'addcard-planted-'))
  const copy = join(folder, 'src')
  try {
    await cp(join(root, 'src'), copy, { recursive: true })
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
    await writeFile(join(copy, defect.file), await planted(defect))
    if (await passes(copy, defect.test)) return false
    if (await passes(join(root, 'src'), defect.test)) return true
    throw new Error(`${defect.name}: the test "${defect.test[1]}" fails without it, too`)
  } finally {
    await rm(folder, { recursive: true })
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const defect of defects) {
    const seen = await isSeen(defect)
    console.log(`${seen ? 'seen    ' : 'NOT SEEN'} ${defect.name}`)
    if (!seen) process.exitCode = 1
  }
}
