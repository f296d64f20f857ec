/** The Go programs that the mini-program is run against. */
import { execFile } from 'node:child_process'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

export const root = resolve(import.meta.dirname, '..')
export const repository = resolve(root, '..')

const folder = join(root, 'node_modules/.cache/addcard')

/** Builds sandbox and server from the repository as it is; returns their folder. What is up to date is not linked again. */
export async function buildPrograms(): Promise<string> {
  await promisify(execFile)(
    'go',
    ['build', '-ldflags=-s -w', '-o', `${folder}/`, './cmd/sandbox', './cmd/server'],
    {
      cwd: repository,
    },
  )
  return folder
}
