/** `npm run types`: writes src/services/api.ts from the server's /openapi.json. */
import { writeFileSync } from 'node:fs'
import { format } from './typescript.ts'
import { startWorld } from '../tests/e2e/world.ts'

const world = await startWorld()
try {
  const document = (await (await fetch(`${world.baseUrl}/openapi.json`)).json()) as Parameters<
    typeof format
  >[0]
  writeFileSync(new URL('../src/services/api.ts', import.meta.url), format(document))
} finally {
  await world.stop()
}
