/** `npm run build`: the page for `go run ./cmd/sandbox`, into dist/. */
import { join } from 'node:path'
import { root } from './programs.ts'
import { buildSite } from './site.ts'

await buildSite(join(root, 'dist'))
console.log('built; go run ./cmd/sandbox serves the page')
