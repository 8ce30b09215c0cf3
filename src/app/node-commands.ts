import { parseArgs } from 'node:util'
import { describeVariables, maskedConfig } from '#platform/config.ts'
import { migrate } from '#platform/db/migrate.ts'
import { stringifyJson } from '#kernel/json.ts'
import { createLog } from '#platform/log.ts'
import type { Command } from './command.ts'
import { composeNode } from './compose.ts'
import { appErrors } from './errors.ts'
import { bootNode, productionSettings, requireDatabase } from './production.ts'
import { untilSignal } from './until-signal.ts'

const serve: Command['run'] = async ({ config, terminal }) => {
  const log = createLog({ level: config.logLevel })
  const node = await bootNode(composeNode(await productionSettings(config, log)))
  terminal.line(`Mooring serves ${node.http.url} as ${config.roles.join(', ')}`)
  log.info({ event: 'node.stopping', signal: await untilSignal() })
  await node.registry.stop()
  return 0
}

const migrateCommand: Command['run'] = async ({ config, terminal }) => {
  const url = config.migrationDatabaseUrl ?? requireDatabase(config)
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
  const width = Math.max(...describeVariables().map(({ name }) => name.length))
  for (const { name, description } of describeVariables()) {
    terminal.line(`  ${name.padEnd(width)}  ${description}`)
  }
  terminal.line()
  terminal.title('As this process sees them, secrets masked')
  terminal.line(stringifyJson(maskedConfig(config)))
  return Promise.resolve(0)
}

const verifyJournal: Command['run'] = async ({ config, terminal }) => {
  const log = createLog({ level: 'silent' })
  const node = composeNode(await productionSettings(config, log))
  await node.database.start(new AbortController().signal)
  try {
    const found = await node.ledger.service.verifyJournal()
    terminal.line(`${found.batches} journal batches, ${found.sequence} commands`)
    terminal.line(`replayed state ${found.replayedHash}`)
    terminal.line(`stored state   ${found.storedHash}`)
    if (!found.equal) throw appErrors.journal_differs()
    terminal.line('The journal explains the tables.')
    return 0
  } finally {
    await node.database.stop()
  }
}

const openapi: Command['run'] = async ({ config, terminal, argv }) => {
  const { values } = parseArgs({ args: [...argv], options: { pretty: { type: 'boolean' } } })
  const log = createLog({ level: 'silent' })
  const node = composeNode(await productionSettings(config, log))
  terminal.line(JSON.stringify(node.openapi(), null, values.pretty === true ? 2 : 0))
  return 0
}

export const NODE_COMMANDS: readonly Command[] = [
  {
    name: 'serve',
    usage: 'serve',
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
    run: verifyJournal,
  },
  {
    name: 'openapi',
    usage: 'openapi [--pretty]',
    summary: 'print the OpenAPI document',
    run: openapi,
  },
]
