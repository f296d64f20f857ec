/**
 * Runs the journeys: against the console itself, and below a path behind a reverse proxy that passes the path on, and
 * behind one that removes it. `node run.mjs members` runs the files whose names begin with members.
 */
import { spawn } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { buildSandbox } from './sandbox.mjs'

const ways = [{}, { PREFIX: '/shop', PROXY: 'pass' }, { PREFIX: '/shop', PROXY: 'remove' }]

const names = process.argv.slice(2)
const files = (await readdir(import.meta.dirname)).filter(
  (file) => file.endsWith('.test.mjs') && (names.length === 0 || names.some((name) => file.startsWith(name))),
)
if (files.length === 0) throw new Error(`there are no journeys of ${names}`)

const SANDBOX = await buildSandbox()
for (const way of process.env.PREFIX === undefined && !process.env.SCREENSHOTS ? ways : [{}]) {
  console.log(`== ${way.PREFIX ? `below ${way.PREFIX}, behind a proxy: ${way.PROXY}` : 'the console'}`)
  const code = await new Promise((ended, failed) => {
    const args = ['--test', '--test-reporter=spec', '--test-concurrency=2', ...files]
    const env = { ...process.env, SANDBOX, ...way }
    spawn(process.execPath, args, { cwd: import.meta.dirname, env, stdio: 'inherit' })
      .once('error', failed)
      .once('close', (code) => ended(code ?? 1))
  })
  if (code !== 0) process.exit(code)
}
