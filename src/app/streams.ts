import { AppError } from '#kernel/errors.ts'
import { CHAIN_EVENTS_GROUP } from '#settlement/chain-events.ts'
import type { Config } from '#platform/config.ts'
import { platformErrors } from '#platform/errors.ts'
import { RELAY_GROUP } from '#platform/events/relay.ts'
import { requireTopics, type TopicCreation } from '#platform/events/kafka-topics.ts'
import type { Log } from '#platform/log.ts'

/** Every stream of the node; each has a topic of its own where Kafka carries events. */
export const STREAMS = ['chain.events', 'ledger.events'] as const

/** Groups of this version of the node, whether a process of theirs runs or not. */
export const OWN_GROUPS: ReadonlySet<string> = new Set([CHAIN_EVENTS_GROUP, RELAY_GROUP])

/** How this node makes its topics. */
export function topicSettings(
  config: Config,
): Pick<TopicCreation, 'replicationFactor' | 'minInSyncReplicas'> {
  return {
    replicationFactor: config.kafkaReplicationFactor,
    minInSyncReplicas: config.kafkaMinInSyncReplicas,
  }
}

/**
 * Refuses to start without the topics that the node may not make itself: `platform.topic_missing`,
 * `platform.topic_unfit`. A broker that is away stops no start; `/readyz` names it.
 */
export async function checkTopics(config: Config, log: Log): Promise<void> {
  const { kafkaBrokers: brokers, kafkaCreateTopics } = config
  if (brokers.length === 0 || kafkaCreateTopics) return
  try {
    await requireTopics({ brokers, log, streams: STREAMS })
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== platformErrors.unavailable.code) throw error
    log.warn({ event: 'kafka.away', error })
  }
}
