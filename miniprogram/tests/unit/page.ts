/** Runs a page without a browser: its logic on a fake wx, with every setData recorded. */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { FakeWx, type Reply } from './fake.ts'

/** SRC names another copy of the sample, see planted.ts. */
const src = process.env.SRC ?? resolve(import.meta.dirname, '../../src')

type Method = (...given: unknown[]) => unknown
type Data = Record<string, unknown>

export class RunningPage {
  /** The argument of each setData. */
  readonly updates: Data[] = []

  constructor(
    readonly instance: Record<string, Method> & { data: Data },
    readonly wx: FakeWx,
  ) {
    instance.setData = (changes) => {
      this.updates.push(structuredClone(changes as Data))
      for (const [path, value] of Object.entries(changes as Data)) assign(instance.data, path, value)
    }
  }

  get data(): Data {
    return this.instance.data
  }

  call(method: string, ...given: unknown[]): unknown {
    return this.instance[method]!(...given)
  }

  /** All texts that the page shows, also nested ones. */
  texts(): string {
    const { t: _, ...shown } = this.data
    return JSON.stringify(shown)
  }
}

/** Sets what a path such as "rows[20]" or "failure.title" names. */
function assign(data: Data, path: string, value: unknown): void {
  const steps = path.split(/[.[\]]+/).filter(Boolean)
  const last = steps.pop()!
  let place = data
  for (const step of steps) place = place[step] as Data
  place[last] = value
}

const definitions = new Map<string, Record<string, Method> & { data: Data }>()

/** Opens pages/<name>/<name> on wx, as WeChat does: onLoad, then onShow. */
export async function openPage(
  wx: FakeWx,
  name: string,
  query: Record<string, string> = { card_id: 'p1' },
): Promise<RunningPage> {
  Object.assign(globalThis, {
    Page: (definition: Record<string, Method> & { data: Data }) => definitions.set(name, definition),
    getCurrentPages: () => [{}],
  })
  if (!definitions.has(name)) await import(pathToFileURL(`${src}/pages/${name}/${name}.ts`).href)
  const definition = definitions.get(name)!
  const page = new RunningPage({ ...definition, data: structuredClone(definition.data) } as never, wx)
  page.call('onLoad', query)
  page.call('onShow')
  return page
}

/** Waits until everything that can go on has gone on; timers are not waited for. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((next) => setImmediate(next))
}

/** An answer of the server that the test gives later. */
export function later(): { answer: Promise<Reply>; give(reply: Reply): void } {
  let give!: (reply: Reply) => void
  const answer = new Promise<Reply>((done) => (give = done))
  return { answer, give }
}
