import type { Config } from '#platform/config.ts'
import { listDeadLetters, wantRetry } from '#platform/events/dead-letter.ts'
import type { KafkaAccess } from '#platform/events/kafka-client.ts'
import { createTopics, listTopics } from '#platform/events/kafka-topics.ts'
import { createLog } from '#platform/log.ts'
import type { Command } from './command.ts'
import { appErrors } from './errors.ts'
import { readFlags } from './flags.ts'
import { withDatabase } from './production.ts'
import { STREAMS, topicSettings } from './streams.ts'

const MOST_LETTERS = 1000

function requireKafka({ kafkaBrokers: brokers }: Config): KafkaAccess {
  if (brokers.length > 0) return { brokers, log: createLog({ level: 'silent' }) }
  throw appErrors.setting_missing('set KAFKA_BROKERS to the brokers of the node')
}

const create: Command['run'] = async ({ config, terminal }) => {
  const access = requireKafka(config)
  const made = await createTopics({ ...access, ...topicSettings(config), streams: STREAMS })
  for (const topic of made) terminal.line(`made ${topic}`)
  if (made.length === 0) terminal.line('Every topic is there already.')
  return 0
}

const list: Command['run'] = async ({ config, terminal }) => {
  const states = await listTopics({ ...requireKafka(config), streams: STREAMS })
  for (const { topic, partitions, replicas } of states) {
    const found = `${partitions} partition${partitions === 1 ? '' : 's'}, ${replicas} replicas`
    terminal.line(`${topic}  ${partitions === 0 ? 'missing' : found}`)
  }
  return states.every(({ partitions }) => partitions === 1) ? 0 : 1
}

const listLetters: Command['run'] = async ({ config, terminal }) => {
  const letters = await withDatabase(config, (database) => listDeadLetters(database, MOST_LETTERS))
  for (const letter of letters) {
    const { id, group, stream, seq, type, attempts, retryWanted, error } = letter
    const state = retryWanted ? 'retry wanted' : `${attempts} attempts`
    terminal.line(`${id}  ${group}  ${stream} ${seq}  ${type}  ${state}  ${error}`)
  }
  if (letters.length === 0) terminal.line('No event was set aside.')
  return 0
}

const retryLetters: Command['run'] = async ({ config, terminal, argv }) => {
  const id = readChoice(argv)
  const wanted = await withDatabase(config, (database) => wantRetry(database, id))
  if (id !== undefined && wanted === 0) throw appErrors.usage(`no dead letter ${id}`)
  terminal.line(`${wanted} to be tried again by the running node.`)
  return 0
}

/** The letter that is meant; undefined for all. */
function readChoice(argv: readonly string[]): bigint | undefined {
  const options = { id: { type: 'string' }, all: { type: 'boolean' } } as const
  const values = readFlags(argv, options, 'dead-letters retry --id N | --all')
  if (values.all === true && values.id === undefined) return undefined
  if (values.id !== undefined && /^\d{1,18}$/.test(values.id)) return BigInt(values.id)
  throw appErrors.usage('say --id N or --all')
}

export const EVENT_COMMANDS: readonly Command[] = [
  {
    name: 'topics create',
    usage: 'topics create',
    summary: 'make the topics of the node in Kafka, where they are missing',
    run: create,
  },
  {
    name: 'topics list',
    usage: 'topics list',
    summary: 'tell which topics Kafka has; fails when one is missing or unfit',
    run: list,
  },
  {
    name: 'dead-letters list',
    usage: 'dead-letters list',
    summary: 'events that a consumer with idempotent effects set aside, with the reason',
    run: listLetters,
  },
  {
    name: 'dead-letters retry',
    usage: 'dead-letters retry --id N | --all',
    summary: 'have the node try them again',
    run: retryLetters,
  },
]
