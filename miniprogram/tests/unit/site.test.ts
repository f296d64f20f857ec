/** The page that is embedded in the sandbox. */
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { buildSite, embedded } from '../../scripts/site.ts'

test('the embedded page is what the sources build', async () => {
  const fresh = await mkdtemp(join(tmpdir(), 'addcard-site-'))
  try {
    await buildSite(fresh)
    const built = (await readdir(fresh)).toSorted()
    assert.deepEqual(
      (await readdir(embedded)).filter((name) => name !== 'README.md').toSorted(),
      built,
      'npm run build writes them',
    )
    for (const name of built) {
      const same = (await readFile(join(embedded, name))).equals(await readFile(join(fresh, name)))
      assert.ok(same, `cmd/sandbox/phone/${name} is out of date: npm run build writes it`)
    }
  } finally {
    await rm(fresh, { recursive: true, force: true })
  }
})
