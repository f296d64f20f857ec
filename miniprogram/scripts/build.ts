/** `npm run build`: the page that `go run ./cmd/sandbox` serves. Commit it with the sources. */
import { buildSite, embedded } from './site.ts'

await buildSite(embedded)
console.log('built: cmd/sandbox/phone')
