/** Builds the page that the sandbox serves: the mini-program and the phone around it. */
import { build } from 'esbuild'
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buildMiniProgram } from '../host/build.ts'
import { repository, root } from './programs.ts'

const shell = join(root, 'host/shell')

/** What `go run ./cmd/sandbox` serves. */
export const embedded = join(repository, 'cmd/sandbox/phone')

/**
 * Writes the page into folder, always the same bytes from the same sources. If it is live, it is
 * readable and has a stamp, and a page that is open reloads or shows the error of a failed build.
 */
export async function buildSite(folder: string, live = false): Promise<void> {
  await mkdir(folder, { recursive: true })
  const stamp = live ? String(Date.now()) : ''
  try {
    const { script } = await buildMiniProgram(join(root, 'src'), !live)
    await build({
      entryPoints: [join(shell, 'shell.ts')],
      outfile: join(folder, 'shell.js'),
      bundle: true,
      minify: !live,
      format: 'esm',
      target: 'es2022',
      charset: 'utf8',
      logLevel: 'silent',
    })
    await writeFile(join(folder, 'mini.js'), script)
    for (const file of ['mini.html', 'shell.css', 'index.html'])
      await cp(join(shell, file), join(folder, file))
    // The script contains WeChat's component framework.
    await cp(join(root, 'node_modules/glass-easel/LICENSE'), join(folder, 'LICENSE.glass-easel'))
    await writeFile(join(folder, 'build.json'), JSON.stringify({ stamp }))
  } catch (error) {
    await writeFile(join(folder, 'build.json'), JSON.stringify({ stamp, error: String(error) }))
    throw error
  }
}
