/**
 * Runs the real server and the simulated WeChat as separate processes on free
 * loopback ports, so that the server can be killed and restarted.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildPrograms } from '../../scripts/programs.ts'

/** The time limit for everything that is awaited, generous for a busy machine. */
export const patience = Number(process.env.PATIENCE ?? 60_000)

interface Account {
  app_id: string
  secret: string
  original_id?: string
}

export interface World {
  /** The public API. */
  readonly baseUrl: string
  /** The operator's API and console. */
  readonly adminUrl: string
  readonly simulatorUrl: string
  /** Calls the simulator's control API. Throws on an error response. */
  sim<T = unknown>(method: string, path: string, body?: unknown): Promise<T>
  /** Creates an approved card; edit can change it before. */
  createCard(edit?: (card: CardDraft) => void): Promise<string>
  /** Calls the operator's API. */
  admin<T = unknown>(method: string, path: string, body?: unknown): Promise<T>
  /** Kills the server with SIGKILL. */
  kill(): Promise<void>
  /** Starts the server again, with the same port and database. */
  start(): Promise<void>
  stop(): Promise<void>
}

export interface CardDraft {
  base_info: Record<string, unknown>
  [field: string]: unknown
}

/** Builds and starts both programs. If that fails, it ends those that it started. */
export async function startWorld(): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'addcard-e2e-'))
  const cleanups: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })]
  const stop = async () => {
    for (const clean of cleanups.splice(0).toReversed()) await clean()
  }
  try {
    const programs = await buildPrograms()
    const simulator = await startSandbox(programs)
    cleanups.push(() => end(simulator.process))
    const server = await describeServer(folder, simulator.url)
    let running = await startServer(programs, folder, server.env, server.baseUrl)
    cleanups.push(() => end(running))
    const sim = <T>(method: string, path: string, body?: unknown) =>
      exchange<T>(method, simulator.url + path, body)
    await sim('PUT', '/_sim/callback', { url: `${server.baseUrl}/wechat/callback`, ...server.callback })
    const admin = <T>(method: string, path: string, body?: unknown) =>
      exchange<T>(method, server.adminUrl + path, body, server.adminToken)
    return {
      baseUrl: server.baseUrl,
      adminUrl: server.adminUrl,
      simulatorUrl: simulator.url,
      sim,
      async createCard(edit) {
        const cardId = await createCard(simulator.url, edit)
        // The operator looks at it: visitors may have few unknown cards read in a minute.
        await admin('GET', `/v1/cards/${cardId}`)
        return cardId
      },
      admin,
      kill: () => end(running, 'SIGKILL'),
      async start() {
        running = await startServer(programs, folder, server.env, server.baseUrl)
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Starts the sandbox; url is the address of its simulator. If that fails, the sandbox is ended. */
export async function startSandbox(
  programs: string,
  more: string[] = [],
): Promise<{ url: string; process: ChildProcess }> {
  const free = '127.0.0.1:0'
  const args = ['--listen', free, '--admin-listen', free, '--wechat-listen', free, ...more]
  const child = spawn(join(programs, 'sandbox'), args, { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stderr.pipe(process.stderr)
  const output = listen(child)
  const address = () => /^ {2}WeChat +(http:\S+)[^]*^Serving until/m.exec(output.text)?.[1]
  await serving(child, 'the sandbox', output, () => address() !== undefined)
  return { url: address()!, process: child }
}

/** What a process says. */
interface Output {
  text: string
  ended: Promise<unknown>
}

/** Collects what the process says. The process is killed at the end of the tests. */
function listen(child: ChildProcess): Output {
  process.once('exit', () => child.kill('SIGKILL'))
  const ended = new Promise((done) => child.once('close', done).once('error', done))
  const output = { text: '', ended }
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (output.text += chunk.toString()))
  child.on('error', (error) => (output.text += String(error))) // it could not be started
  return output
}

/** Waits until the process serves. If it does not, it is killed, because the tests would wait for its end. */
async function serving(
  child: ChildProcess,
  name: string,
  output: Output,
  serves: () => boolean | Promise<boolean>,
): Promise<void> {
  try {
    await until(() => {
      if (hasEnded(child)) throw new Error(`${name} ended`)
      return serves()
    }, `${name} to serve`)
  } catch (error) {
    child.kill('SIGKILL')
    await output.ended
    throw new Error(`${String(error)}:\n${output.text}`, { cause: error })
  }
}

async function describeServer(folder: string, simulatorUrl: string) {
  const { mini_program: mini, official } = await accounts(simulatorUrl)
  const [listen, admin] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`]
  const adminToken = randomBytes(24).toString('hex')
  const callback = { token: randomBytes(8).toString('hex') }
  const env = {
    LISTEN_ADDR: listen,
    ADMIN_LISTEN_ADDR: admin,
    MINIPROGRAM_APP_ID: mini.app_id,
    MINIPROGRAM_APP_SECRET: mini.secret,
    OFFICIAL_APP_ID: official.app_id,
    OFFICIAL_APP_SECRET: official.secret,
    WECHAT_API_URL: simulatorUrl,
    CALLBACK_TOKEN: callback.token,
    SESSION_KEYS: `e2e:${randomBytes(32).toString('base64')}`,
    DATA_KEYS: `e2e:${randomBytes(32).toString('base64')}`,
    ADMIN_TOKEN: adminToken,
    DATABASE_URL: `sqlite:${join(folder, 'addcard.db')}`,
    LOG_LEVEL: 'warn',
  }
  return { env, baseUrl: `http://${listen}`, adminUrl: `http://${admin}`, adminToken, callback }
}

async function accounts(simulatorUrl: string): Promise<{ mini_program: Account; official: Account }> {
  return exchange('GET', `${simulatorUrl}/_sim/accounts`)
}

async function startServer(
  programs: string,
  folder: string,
  env: Record<string, string>,
  url: string,
): Promise<ChildProcess> {
  const child = spawn(join(programs, 'server'), ['serve'], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ready = async () => (await fetch(`${url}/readyz`).catch(() => undefined))?.ok === true
  await serving(child, 'the server', listen(child), ready)
  return child
}

/** Whether the process has ended, or was never started. */
const hasEnded = (child: ChildProcess) =>
  child.exitCode !== null || child.signalCode !== null || child.pid === undefined

export function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (hasEnded(child)) return Promise.resolve()
  return new Promise((done) => {
    child.on('exit', () => done())
    child.kill(signal)
  })
}

/**
 * Waits for all that is being started, and throws the first error. Promise.all would not wait for a
 * browser that is about to start, and it would never be closed.
 */
export async function started(starting: Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(starting)).find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}

function freePort(): Promise<number> {
  return new Promise((found) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => found(port))
    })
  })
}

/** Waits until holds returns true. The error names what was awaited. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  what: string,
  within = patience,
): Promise<void> {
  const deadline = Date.now() + within
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`)
    await new Promise((wake) => setTimeout(wake, 50))
  }
}

async function exchange<T>(method: string, url: string, body?: unknown, token?: string): Promise<T> {
  const answer = await fetch(url, {
    method,
    headers: {
      'content-type': 'application/json',
      ...(token && { authorization: `Bearer ${token}`, 'idempotency-key': randomUUID() }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${new URL(url).pathname}: ${answer.status} ${text}`)
  return (text ? JSON.parse(text) : undefined) as T
}

/** Creates a card at the simulated WeChat, and approves it. */
async function createCard(wechat: string, edit?: (card: CardDraft) => void): Promise<string> {
  const card: CardDraft = {
    base_info: {
      logo_url: 'http://mmbiz.qpic.cn/mmbiz/demo/0',
      brand_name: '示例小店',
      title: '金卡会员',
      color: 'Color020',
      code_type: 'CODE_TYPE_QRCODE',
      notice: '结账时出示此卡',
      description: '每消费一元积一分，积分不兑换现金。\n本卡仅限本人使用。',
      sku: { quantity: 100 },
      date_info: { type: 'DATE_TYPE_PERMANENT' },
      use_custom_code: true,
      get_limit: 1,
      can_share: false,
      can_give_friend: false,
    },
    background_pic_url: 'https://mmbiz.qlogo.cn/mmbiz/demo/0',
    supply_bonus: true,
    supply_balance: true,
    prerogative: '会员日双倍积分，生日当月赠饮一杯。',
    auto_activate: false,
    activate_url: 'https://shop.example/activate',
    custom_field1: { name_type: 'FIELD_NAME_TYPE_LEVEL', url: 'https://shop.example/level' },
  }
  edit?.(card)
  const { official } = await accounts(wechat)
  const query = new URLSearchParams({
    grant_type: 'client_credential',
    appid: official.app_id,
    secret: official.secret,
  })
  const { access_token } = await exchange<{ access_token: string }>('GET', `${wechat}/cgi-bin/token?${query}`)
  const created = await exchange<{ card_id?: string; errmsg: string }>(
    'POST',
    `${wechat}/card/create?access_token=${access_token}`,
    { card: { card_type: 'MEMBER_CARD', member_card: card } },
  )
  if (!created.card_id) throw new Error(`/card/create: ${created.errmsg}`)
  await exchange('POST', `${wechat}/_sim/cards/${created.card_id}/approve`)
  return created.card_id
}
