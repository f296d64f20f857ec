/**
 * Builds the mini-program for a browser, as one script: templates with WeChat's
 * template compiler, styles with postcss, code with esbuild, and the run time of
 * this folder.
 */
import { build } from 'esbuild'
import { TmplGroup } from 'glass-easel-template-compiler'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, posix, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compileStyle } from './style.ts'

const here = dirname(fileURLToPath(import.meta.url))

export interface Built {
  script: string
  /** All input files, for watching. */
  files: string[]
}

/** Builds the mini-program in src, a folder with an app.json. Errors name the file and the line. */
export async function buildMiniProgram(src: string, minify = false): Promise<Built> {
  const files = new Set<string>()
  const read = (path: string) => {
    const file = join(src, path)
    files.add(file)
    return readFileSync(file, 'utf8')
  }
  const json = (path: string) => parseConfig(path, read(path))
  const style = (path: string, scope: string) =>
    existsSync(join(src, path)) ? compileStyle(read(path), scope, path) : ''

  const app = json('app.json')
  const pages = app.pages as string[]
  const parts = collect(pages, json)
  const templates = compileTemplates(
    parts.map((part) => part.path),
    read,
  )
  const styles = Object.fromEntries(parts.map((part) => [part.path, style(`${part.path}.wxss`, part.scope)]))
  const description = {
    app,
    theme: app.themeLocation ? json(String(app.themeLocation)) : {},
    parts,
    styles: { ...styles, app: style('app.wxss', '') },
  }
  const load = ['app', ...parts.map((part) => part.path)]
    .map((path) => `${JSON.stringify(path)}: () => require(${JSON.stringify(`./${path}.ts`)})`)
    .join(',\n')
  const out = await build({
    stdin: {
      contents: `import { run } from ${JSON.stringify(join(here, 'runtime/run.ts'))}
run({ ...${JSON.stringify(description)}, templates: ${templates}, load: {${load}} })`,
      resolveDir: resolve(src),
      sourcefile: 'entry.js',
    },
    bundle: true,
    minify,
    write: false,
    format: 'iife',
    target: 'es2020',
    charset: 'utf8',
    define: { 'process.env.NODE_ENV': '"production"' },
    metafile: true,
    absWorkingDir: resolve(here, '..'),
    logLevel: 'silent',
  })
  for (const input of Object.keys(out.metafile.inputs)) {
    if (!input.includes('node_modules') && input !== 'entry.js') files.add(resolve(here, '..', input))
  }
  return { script: out.outputFiles[0]!.text, files: [...files] }
}

function parseConfig(path: string, text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch (error) {
    throw new Error(`${path}: ${String(error)}`, { cause: error })
  }
}

/** A page or component with its static configuration. */
export interface Part {
  path: string
  page: boolean
  config: Record<string, unknown>
  /** The prefix of its class names; empty for pages. */
  scope: string
}

/** Collects the pages and, through usingComponents, their components. */
function collect(pages: string[], json: (path: string) => Record<string, unknown>): Part[] {
  const parts = new Map<string, Part>()
  const add = (path: string, page: boolean) => {
    if (parts.has(path)) return
    const config = json(`${path}.json`)
    parts.set(path, { path, page, config, scope: page ? '' : path.replaceAll('/', '-') })
    for (const used of Object.values((config.usingComponents as Record<string, string>) ?? {})) {
      add(used.startsWith('/') ? used.slice(1) : posix.join(posix.dirname(path), used), false)
    }
  }
  for (const page of pages) add(page, true)
  return [...parts.values()]
}

interface TemplateError {
  path: string
  isError: boolean
  message: string
  startLine: number
  startColumn: number
}

/** Compiles all templates into one expression: path → template. */
function compileTemplates(paths: string[], read: (path: string) => string): string {
  const group = new TmplGroup()
  try {
    const found = paths.flatMap((path) => group.addTmpl(path, read(`${path}.wxml`)) as TemplateError[])
    if (found.length > 0) {
      throw new Error(
        found.map((e) => `${e.path}.wxml:${e.startLine + 1}:${e.startColumn + 1}: ${e.message}`).join('\n'),
      )
    }
    return group.getTmplGenObjectGroups()
  } finally {
    group.free()
  }
}
