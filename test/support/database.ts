import { pino } from 'pino'
import { Database } from '#platform/db/pool.ts'
import { migrate } from '#platform/db/migrate.ts'
import { createDatabase } from './postgres.ts'

export interface OpenDatabase {
  readonly database: Database
  readonly url: string
  /** Ends the connections and drops the database. */
  close(): Promise<void>
}

export const silentLog = pino({ level: 'silent' })

/** A started `Database` with all migrations. */
export async function openDatabase(): Promise<OpenDatabase> {
  const made = await createDatabase({ migrate: (url) => migrate({ url }) })
  const database = new Database({ url: made.url, log: silentLog, poolSize: 8 })
  await database.start(new AbortController().signal)
  return {
    database,
    url: made.url,
    close: async () => {
      await database.stop()
      await made.drop()
    },
  }
}
