/** Builds the Go programs that the mini-program runs against. */
import { execFile } from 'node:child_process'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

export const root = resolve(import.meta.dirname, '..')
export const repository = resolve(root, '..')

const folder = join(root, 'node_modules/.cache/addcard')

/**
 * Builds sandbox and server from the working tree, if they are not up to date, and returns their folder.
 * PROGRAMS names a folder in which they are built already.
 */
export async function buildPrograms(): Promise<string> {
  if (process.env.PROGRAMS) return resolve(process.env.PROGRAMS)
  await promisify(execFile)(
    'go',
    ['build', '-ldflags=-s -w', '-o', `${folder}/`, './cmd/sandbox', './cmd/server'],
    {
      cwd: repository,
    },
  )
  return folder
}
