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

/** A started `Database` with all migrations, or those up to a number. */
export async function openDatabase(options: { upTo?: number } = {}): Promise<OpenDatabase> {
  const { upTo } = options
  const made = await createDatabase(
    upTo === undefined
      ? { migrate: (url) => migrate({ url }) }
      : { migrate: (url) => migrate({ url, upTo }), template: `mooring_up_to_${upTo}` },
  )
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
