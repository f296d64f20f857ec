/** Runs the server and the simulated WeChat: cmd/sandbox as a process on free loopback ports. */
import { execFile, spawn } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

/** The time limit in milliseconds for everything that is awaited, generous for a busy machine. */
export const patience = Number(process.env.PATIENCE ?? 90_000)

const repository = resolve(import.meta.dirname, '../../..')

/**
 * Returns the program: SANDBOX, or else one that it builds from the working tree.
 * @returns {Promise<string>}
 */
export async function buildSandbox() {
  if (process.env.SANDBOX) return resolve(process.env.SANDBOX)
  const program = join(import.meta.dirname, 'node_modules/.cache/addcard/sandbox')
  await promisify(execFile)('go', ['build', '-ldflags=-s -w', '-o', program, './cmd/sandbox'], {
    cwd: repository,
  })
  return program
}

/**
 * A running sandbox.
 * @typedef {object} Sandbox
 * @property {string} publicUrl the public API
 * @property {string} adminUrl the operator's listener
 * @property {string} wechatUrl WeChat's side
 * @property {string} token the ADMIN_TOKEN
 * @property {() => string} log what the process has logged
 * @property {() => Promise<void>} stop
 */

/**
 * Starts the sandbox and waits until it serves.
 * @param {Record<string, string>} variables of the server
 * @param {string[]} flags more flags of the sandbox
 * @returns {Promise<Sandbox>}
 */
export async function startSandbox(variables, flags) {
  const data = await mkdtemp(join(tmpdir(), 'addcard-journeys-'))
  const set = { DATA_KEYS: `journeys:${randomBytes(32).toString('base64')}`, ...variables }
  const free = '127.0.0.1:0'
  const args = ['--listen', free, '--admin-listen', free, '--wechat-listen', free, '--data', data, ...flags]
  for (const [name, value] of Object.entries(set)) args.push('--set', `${name}=${value}`)
  const child = spawn(await buildSandbox(), args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise((resolve) => child.once('close', resolve).once('error', resolve))
  const remove = () => rmSync(data, { recursive: true, force: true, maxRetries: 5 })
  const kill = () => child.kill('SIGKILL')
  const abandon = () => kill() && remove()
  // After an error outside of its journeys, a file ends without the event exit.
  const ends = ['exit', 'uncaughtExceptionMonitor']
  for (const end of ends) process.once(end, abandon)
  let log = ''
  child.stderr.on('data', (text) => (log = (log + text).slice(-100_000)))
  const stop = async () => {
    child.kill('SIGTERM')
    const late = setTimeout(kill, patience)
    await ended
    clearTimeout(late)
    for (const end of ends) process.off(end, abandon)
    remove()
  }
  try {
    return { ...(await addresses(child, () => log)), log: () => log, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/**
 * Waits for what the sandbox prints when it serves.
 * @param {import('node:child_process').ChildProcess} child
 * @param {() => string} log
 */
function addresses(child, log) {
  let said = ''
  return new Promise((resolve, reject) => {
    const fail = (why) => () => reject(new Error(`the sandbox ${why}:\n${said.slice(-4000)}${log()}`))
    const timer = setTimeout(fail('did not start'), patience)
    child.once('error', reject).once('close', fail('ended'))
    child.stdout.on('data', (text) => {
      said += text
      const found = (line) => line.exec(said)?.[1]
      if (!found(/^(Serving until)/m)) return
      clearTimeout(timer)
      resolve({
        publicUrl: found(/^ {2}public API +(\S+)/m),
        adminUrl: found(/^ {2}admin API +(\S+)/m),
        token: found(/ADMIN_TOKEN of this run: (\S+)/),
        wechatUrl: found(/^ {2}WeChat +(\S+)/m),
      })
    })
  })
}

/**
 * Sends JSON and returns the JSON of the answer. It throws when the status is not 2xx.
 * @param {string} method
 * @param {string} url
 * @param {unknown} [body]
 * @param {string} [token]
 * @returns {Promise<any>}
 */
export async function exchange(method, url, body, token) {
  const answer = await fetch(url, {
    method,
    headers: {
      'content-type': 'application/json',
      'idempotency-key': randomUUID(),
      ...(token && { authorization: `Bearer ${token}` }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(patience),
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${new URL(url).pathname}: ${answer.status} ${text}`)
  return text ? JSON.parse(text) : undefined
}
