import { describeVariables, loadConfig, readEnvironment, type Config } from '#platform/config.ts'
import { migrate } from '#platform/db/migrate.ts'
import { verifyJournal } from '#ledger/recovery-store.ts'
import { createLog } from '#platform/log.ts'
import { exchangeSource } from '#trading/exchange-source.ts'
import type { Command } from './command.ts'
import { composeNode } from './compose.ts'
import { appErrors } from './errors.ts'
import { readFlags } from './flags.ts'
import { migrationUrl, productionSettings, withDatabase } from './production.ts'
import { checkTopics } from './streams.ts'
import { untilSignal } from './until-signal.ts'

const serve: Command['run'] = async ({ config: given, terminal, argv }) => {
  const stopped = untilSignal()
  const config = withRoles(given, argv)
  const log = createLog({ level: config.logLevel })
  const settings = productionSettings(config, log)
  await checkTopics(config, log)
  const node = composeNode(settings)
  const started = node.registry.start()
  const first = await Promise.race([started, stopped])
  if (first === undefined) {
    const url = config.roles.includes('api') ? node.http.url : node.internal?.address
    terminal.line(`Mooring serves ${url ?? 'nobody'} as ${config.roles.join(', ')}`)
  }
  log.info({ event: 'node.stopping', signal: await stopped })
  await Promise.all([node.registry.stop(), started.catch(() => undefined)])
  return 0
}

/** `--roles api,engine` says the same as ROLES and wins over it. */
function withRoles(config: Config, argv: readonly string[]): Config {
  const { roles } = readFlags(argv, { roles: { type: 'string' } }, 'serve [--roles api,engine]')
  if (roles === undefined) return config
  return { ...config, roles: loadConfig({ ...readEnvironment(), ROLES: roles }).roles }
}

const migrateCommand: Command['run'] = async ({ config, terminal }) => {
  const url = migrationUrl(config)
  const nodeUser = nodeUserOf(config.databaseUrl)
  await migrate({ url, ...(nodeUser !== undefined && { nodeUser }) })
  terminal.line('The database is up to date.')
  return 0
}

function nodeUserOf(url: string | undefined): string | undefined {
  const user = url === undefined ? '' : new URL(url).username
  return user === '' ? undefined : decodeURIComponent(user)
}

const configCommand: Command['run'] = ({ config, terminal }) => {
  const variables = describeVariables(config)
  const width = Math.max(...variables.map(({ name }) => name.length))
  for (const { name, value, description } of variables) {
    terminal.line(`${name.padEnd(width)}  ${value ?? '(unset)'}`)
    terminal.line(`${' '.repeat(width)}  ${description}`)
  }
  return Promise.resolve(0)
}

const verify: Command['run'] = async ({ config, terminal }) => {
  const found = await withDatabase(
    config,
    async (database) => await verifyJournal(database, exchangeSource),
  )
  terminal.line(`${found.batches} journal batches, ${found.sequence} commands`)
  terminal.line(`replayed state ${found.replayedHash}`)
  terminal.line(`stored state   ${found.storedHash}`)
  if (!found.equal) throw appErrors.journal_differs()
  terminal.line('The journal explains the tables.')
  return 0
}

export const NODE_COMMANDS: readonly Command[] = [
  {
    name: 'serve',
    usage: 'serve [--roles R,…]',
    summary: 'run the node on the configured Postgres, chain and Kafka',
    run: serve,
  },
  {
    name: 'migrate',
    usage: 'migrate',
    summary: 'bring the database up to date, as the owner of its tables',
    run: migrateCommand,
  },
  {
    name: 'config',
    usage: 'config',
    summary: 'print every setting with its meaning',
    run: configCommand,
  },
  {
    name: 'journal verify',
    usage: 'journal verify',
    summary: 'replay the journal and compare it with the tables',
    run: verify,
  },
]
