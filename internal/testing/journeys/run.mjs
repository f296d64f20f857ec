/**
 * Runs the journeys below a path: every other file is behind a reverse proxy that passes the path on, and the rest
 * behind one that removes it. A few of them also run against the console itself. `node run.mjs members` runs the files
 * whose names begin with members, and each of them against the console itself too.
 */
import { spawn } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { buildSandbox } from './sandbox.mjs'

const names = process.argv.slice(2)
const files = (await readdir(import.meta.dirname))
  .toSorted()
  .filter(
    (file) => file.endsWith('.test.mjs') && (!names.length || names.some((name) => file.startsWith(name))),
  )
if (files.length === 0) throw new Error(`there are no journeys of ${names}`)

const SANDBOX = await buildSandbox()

/**
 * Runs files with more variables, three at a time, and ends this program if one fails.
 * @param {string} title
 * @param {string[]} files
 * @param {Record<string, string>} [env]
 */
async function run(title, files, env) {
  if (files.length === 0) return
  console.log(`== ${title}`)
  const args = ['--test', '--test-reporter=spec', '--test-concurrency=3', ...files]
  const child = spawn(process.execPath, args, {
    cwd: import.meta.dirname,
    env: { ...process.env, SANDBOX, ...env },
    stdio: 'inherit',
  })
  const code = await new Promise((ended, failed) => child.once('error', failed).once('close', ended))
  if (code !== 0) process.exit(code ?? 1)
}

if (process.env.PREFIX !== undefined) {
  await run(`as PREFIX and PROXY say`, files)
} else {
  // What has a path works without one: what differs is the cookies, the addresses and the service of the till.
  const few = files.filter((file) => /^(explainer|h5|members|signin|till)\./.test(file))
  await run('the console', names.length || process.env.SCREENSHOTS ? files : few)
  if (!process.env.SCREENSHOTS) {
    // These two have no path of the console.
    const served = files.filter((file) => !/^(explainer|h5)\./.test(file))
    const half = (odd) => served.filter((_, i) => i % 2 === odd)
    await run('behind a proxy that passes /shop on', half(0), { PREFIX: '/shop', PROXY: 'pass' })
    await run('behind a proxy that removes /shop', half(1), { PREFIX: '/shop', PROXY: 'remove' })
  }
}
