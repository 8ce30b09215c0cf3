import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { EmbeddedPostgres } from '#platform/db/embedded-postgres.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Administrator's connection string of the server that all test files share. */
    readonly postgresUrl: string
  }
}

const PREFIX = 'mooring-test-'
/** Longer than any test leaves its server stopped: a younger folder may be in use. */
const LEFT_BEHIND_MS = 30 * 60_000
const silent = (): void => undefined

/** Starts one Postgres for the whole run; each test file makes its own database in it. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  await sweep()
  const home = await mkdtemp(join(tmpdir(), PREFIX))
  const server = new EmbeddedPostgres({ home, log: silent })
  await server.start()
  project.provide('postgresUrl', server.url)
  return async () => {
    await server.stop()
    await server.remove()
    await rm(home, { recursive: true, force: true })
  }
}

/** A run that was killed leaves its server behind; a live run keeps its claim. */
async function sweep(): Promise<void> {
  const names = await readdir(tmpdir())
  for (const name of names.filter((each) => each.startsWith(PREFIX))) {
    const home = join(tmpdir(), name)
    try {
      const { mtimeMs } = await stat(home)
      if (Date.now() - mtimeMs < LEFT_BEHIND_MS) continue
      await new EmbeddedPostgres({ home, log: silent }).remove()
      await rm(home, { recursive: true, force: true })
    } catch {
      // In use, somebody else's, or gone meanwhile: not ours to clean now.
    }
  }
}
