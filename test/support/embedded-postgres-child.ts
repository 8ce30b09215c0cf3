import { EmbeddedPostgres } from '#platform/db/embedded-postgres.ts'

// A process of its own for tests that change the user or kill the parent: starts the database of
// the folder given, prints its url, and stops it on SIGTERM.
const [home = ''] = process.argv.slice(2)
const server = new EmbeddedPostgres({ home, log: (line) => process.stderr.write(`${line}\n`) })
process.once('SIGTERM', () => void server.stop().then(() => process.exit(0)))
await server.start()
process.stdout.write(`${server.url}\n`)
setInterval(() => undefined, 60_000)
