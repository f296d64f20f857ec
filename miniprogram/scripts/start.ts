/**
 * `npm start`: runs the sandbox with the mini-program in a phone, and rebuilds the
 * mini-program when a file changes. Arguments after -- are those of the sandbox,
 * see `go run ./cmd/sandbox --help`.
 */
import { spawn } from 'node:child_process'
import { watch } from 'node:fs'
import { join } from 'node:path'
import { buildPrograms, repository, root } from './programs.ts'
import { buildSite } from './site.ts'

const dist = join(root, 'dist')
await buildSite(dist, true).catch((error: unknown) => {
  console.error(String(error))
  process.exit(1)
})

const programs = await buildPrograms().catch((error: unknown) => {
  console.error(String(error))
  console.error('the sandbox needs Go; see “Try it” in the README of the repository')
  process.exit(1)
})
const sandbox = spawn(join(programs, 'sandbox'), ['--miniprogram', dist, ...process.argv.slice(2)], {
  cwd: repository,
  stdio: 'inherit',
})
// In a terminal, Ctrl-C reaches the sandbox directly.
process.on('SIGINT', () => process.stdin.isTTY || sandbox.kill('SIGINT'))
process.on('SIGTERM', () => sandbox.kill('SIGTERM'))
sandbox.on('exit', (code) => process.exit(code ?? 0))

let building: Promise<void> | undefined
let again = false
function rebuild(): void {
  if (building) {
    again = true
    return
  }
  building = buildSite(dist, true)
    .then(() => console.log('rebuilt'))
    .catch((error: unknown) => console.error(String(error)))
    .finally(() => {
      building = undefined
      if (!again) return
      again = false
      rebuild()
    })
}
for (const part of ['src', 'host']) watch(join(root, part), { recursive: true }, rebuild)
