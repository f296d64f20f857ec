/** Symptom: when a program did not start, the tests waited for ever, and did not say why. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { root } from '../../scripts/programs.ts'
import { patience } from './world.ts'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'addcard-world-'))
})
after(() => rm(folder, { recursive: true, force: true }))

/** Runs tests that start a sandbox made of these lines of sh. Returns what they say when they have ended. */
async function failure(sandbox: string, name: string, tests: string): Promise<string> {
  await writeFile(join(folder, 'sandbox'), `#!/bin/sh\n${sandbox}\n`)
  await chmod(join(folder, 'sandbox'), 0o755)
  const from = pathToFileURL(join(root, 'tests/e2e', name)).href
  const file = join(folder, 'failing.mjs')
  await writeFile(file, `import * as e2e from '${from}'\n${tests}`)
  const env = { ...process.env, NODE_TEST_CONTEXT: '', PROGRAMS: folder, PATIENCE: '3000' }
  return new Promise((ended) => {
    execFile(
      process.execPath,
      ['--import', 'tsx', file],
      { cwd: root, env, timeout: patience },
      (error, stdout, stderr) => {
        assert.ok(!error?.killed, 'the tests did not end')
        ended(stdout + stderr)
      },
    )
  })
}

test('a sandbox that ends, while a browser starts', async () => {
  const said = await failure(
    "echo 'listen: address already in use' >&2; exit 1",
    'journey.ts',
    "e2e.journey('nothing', async () => {})",
  )
  assert.match(said, /the sandbox ended:[^]*address already in use/)
})

test('a sandbox that does not serve', async () => {
  const said = await failure(
    'echo starting; exec sleep 600',
    'world.ts',
    'await e2e.startSandbox(process.env.PROGRAMS).catch(console.log)',
  )
  assert.match(said, /waited in vain for the sandbox to serve:[^]*starting/)
})
