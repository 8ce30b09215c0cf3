import type { Config } from '#platform/config.ts'
import type { Database } from '#platform/db/pool.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import {
  dropGroup,
  isLive,
  listGroups,
  lockGroup,
  type GroupPosition,
} from '#platform/events/groups.ts'
import { readPosition } from '#platform/events/position.ts'
import { RELAY_GROUP } from '#platform/events/relay.ts'
import { wantResend } from '#platform/events/resend.ts'
import { recordAction } from '#platform/operator-action.ts'
import type { Command } from './command.ts'
import { appErrors } from './errors.ts'
import { readFlags } from './flags.ts'
import { withDatabase } from './production.ts'
import { OWN_GROUPS, STREAMS } from './streams.ts'

const YES = { type: 'boolean', default: false } as const
const NOTHING_DONE = 'Nothing was done yet; --yes does it.'

const list: Command['run'] = async ({ config, terminal }) => {
  const groups = await withDatabase(config, (database) => listGroups(database))
  for (const position of groups) {
    const { group, stream, seq, head } = position
    const state = OWN_GROUPS.has(group) ? "the node's own" : isLive(position) ? 'live' : 'gone?'
    const figures = `at ${seq} of ${head}, ${head - seq} behind, seen ${agoOf(position)}`
    terminal.line(`${group}  ${stream}  ${figures}  ${state}`)
  }
  if (groups.length === 0) terminal.line('No group has read anything yet.')
  return 0
}

const drop: Command['run'] = async ({ config, terminal, argv }) => {
  const options = { group: { type: 'string' }, yes: YES } as const
  const { group, yes } = readFlags(argv, options, 'consumers drop --group G [--yes]')
  if (group === undefined) throw appErrors.usage('--group is needed')
  const dropped = await withDatabase(config, (database) => dropIn(database, group, yes))
  for (const { stream, seq, head } of dropped)
    terminal.line(`${yes ? 'dropped' : 'would drop'} ${group} at ${seq} of ${head} in ${stream}`)
  if (!yes) terminal.line(NOTHING_DONE)
  return 0
}

async function dropIn(
  database: Database,
  group: string,
  yes: boolean,
): Promise<readonly GroupPosition[]> {
  return await inTransaction(database, async (tx) => {
    await lockGroup(tx, group)
    const positions = await listGroups(tx, group)
    requireRetired(group, positions)
    if (!yes) return positions
    await dropGroup(tx, group)
    const places = positions.map(({ stream, seq }) => [stream, seq.toString()])
    await recordAction(tx, 'consumers.drop', { group, positions: Object.fromEntries(places) })
    return positions
  })
}

/** Throws `app.group_unknown` or `app.group_in_use`. */
function requireRetired(group: string, positions: readonly GroupPosition[]): void {
  if (OWN_GROUPS.has(group)) throw appErrors.group_in_use(`${group} is a group of the node itself`)
  if (positions.length === 0) throw appErrors.group_unknown(`there is no group ${group}`)
  const live = positions.find(isLive)
  if (live === undefined) return
  throw appErrors.group_in_use(
    `${group} was seen on ${live.stream} ${agoOf(live)}; stop its processes and wait five minutes`,
  )
}

const resend: Command['run'] = async ({ config, terminal, argv }) => {
  const options = { stream: { type: 'string' }, yes: YES } as const
  const { stream, yes } = readFlags(argv, options, 'consumers resend --stream S [--yes]')
  if (stream === undefined || !STREAMS.some((known) => known === stream))
    throw appErrors.usage(`--stream must be one of ${STREAMS.join(', ')}`)
  requireRelay(config)
  const behind = await withDatabase(config, (database) => resendIn(database, stream, yes))
  for (const { group, seq } of behind)
    terminal.line(
      `${group} ${yes ? 'gets' : 'would get'} again what follows on ${seq} of ${stream}`,
    )
  if (behind.length === 0) terminal.line(`Every group has what the relay sent of ${stream}.`)
  else if (!yes) terminal.line(NOTHING_DONE)
  return 0
}

function requireRelay({ kafkaBrokers }: Config): void {
  if (kafkaBrokers.length > 0) return
  throw appErrors.setting_missing('set KAFKA_BROKERS; without Kafka groups read the outbox itself')
}

/** Groups that have yet to apply something that the relay has sent. */
async function resendIn(
  database: Database,
  stream: string,
  yes: boolean,
): Promise<readonly GroupPosition[]> {
  return await inTransaction(database, async (tx) => {
    const sent = await readPosition(tx, RELAY_GROUP, stream)
    const behind = (await listGroups(tx)).filter(
      (position) => position.stream === stream && position.seq < sent,
    )
    if (!yes || behind.length === 0) return behind
    for (const { group, seq } of behind) await wantResend(tx, { stream, group, after: seq })
    const places = behind.map(({ group, seq }) => [group, seq.toString()])
    await recordAction(tx, 'consumers.resend', { stream, groups: Object.fromEntries(places) })
    return behind
  })
}

function agoOf({ seenSecondsAgo: seconds }: GroupPosition): string {
  if (seconds < 120) return `${seconds} s ago`
  const minutes = Math.floor(seconds / 60)
  return minutes < 120 ? `${minutes} min ago` : `${Math.floor(minutes / 60)} h ago`
}

export const CONSUMER_COMMANDS: readonly Command[] = [
  {
    name: 'consumers list',
    usage: 'consumers list',
    summary: 'where each group of readers stands on each stream',
    run: list,
  },
  {
    name: 'consumers drop',
    usage: 'consumers drop --group G [--yes]',
    summary: 'forget a group that is gone for ever, so that the outbox keeps nothing for it',
    run: drop,
  },
  {
    name: 'consumers resend',
    usage: 'consumers resend --stream S [--yes]',
    summary: 'have the relay send again what groups have yet to apply',
    run: resend,
  },
]
