/** Builds the page that the sandbox serves: the mini-program and the phone around it. */
import { build } from 'esbuild'
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buildMiniProgram } from '../host/build.ts'
import { root } from './programs.ts'

const shell = join(root, 'host/shell')

/** Writes the page into folder. If the build fails, it throws the error and also writes it for a page that is open. */
export async function buildSite(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  const stamp = String(Date.now())
  try {
    const { script } = await buildMiniProgram(join(root, 'src'))
    await build({
      entryPoints: [join(shell, 'shell.ts')],
      outfile: join(folder, 'shell.js'),
      bundle: true,
      format: 'esm',
      target: 'es2022',
      charset: 'utf8',
      logLevel: 'silent',
    })
    await writeFile(join(folder, 'mini.js'), script)
    for (const file of ['mini.html', 'shell.css', 'index.html'])
      await cp(join(shell, file), join(folder, file))
    await writeFile(join(folder, 'build.json'), JSON.stringify({ stamp }))
  } catch (error) {
    await writeFile(join(folder, 'build.json'), JSON.stringify({ stamp, error: String(error) }))
    throw error
  }
}
