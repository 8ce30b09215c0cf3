import { platformErrors } from '../errors.ts'
import {
  createKafka,
  explainKafka,
  topicOf,
  topicsMissing,
  withAdmin,
  type KafkaAccess,
} from './kafka-client.ts'

export interface TopicOptions extends KafkaAccess {
  readonly streams: readonly string[]
}

export interface TopicCreation extends TopicOptions {
  /** Three, or as many as there are brokers, when unset. */
  readonly replicationFactor?: number | undefined
  /** One less than the replicas, but at least one, when unset. */
  readonly minInSyncReplicas?: number | undefined
}

/** What a broker says of the topic of one stream. */
export interface TopicState {
  readonly topic: string
  /** 0 when there is no such topic. */
  readonly partitions: number
  readonly replicas: number
}

/** What every broker takes as one batch unless it is told otherwise. */
const MAX_MESSAGE_BYTES = 1_048_588
const RETENTION_MS = 7 * 86_400_000
const USUAL_REPLICAS = 3

/** The topics of the streams, whether they exist or not. Errors: `platform.unavailable`. */
export async function listTopics(options: TopicOptions): Promise<readonly TopicState[]> {
  const topics = options.streams.map(topicOf)
  try {
    return await withAdmin(createKafka(options), async (admin) => {
      const known = new Set(await admin.listTopics())
      const present = topics.filter((topic) => known.has(topic))
      // Without names it would answer for every topic of the cluster.
      if (present.length === 0) return topics.map(absent)
      const { topics: found } = await admin.fetchTopicMetadata({ topics: present })
      return topics.map((topic) => {
        const partitions = found.find(({ name }) => name === topic)?.partitions ?? []
        const replicas = partitions.map((partition) => partition.replicas.length)
        return { topic, partitions: partitions.length, replicas: Math.min(...replicas, Infinity) }
      })
    })
  } catch (error) {
    throw explainKafka(options.brokers, error)
  }
}

/**
 * Throws `platform.topic_missing`, which names the command that makes topics, or
 * `platform.topic_unfit` for one that has not exactly one partition and so keeps no order.
 */
export async function requireTopics(options: TopicOptions): Promise<void> {
  requireFit(await listTopics(options), [])
}

/** Makes the topics that are missing; returns their names. Errors: as `requireTopics`. */
export async function createTopics(options: TopicCreation): Promise<readonly string[]> {
  const states = await listTopics(options)
  const missing = states.filter(({ partitions }) => partitions === 0).map(({ topic }) => topic)
  requireFit(states, missing)
  if (missing.length === 0) return []
  try {
    await makeTopics(options, missing)
  } catch (error) {
    throw explainKafka(options.brokers, error)
  }
  options.log.info({ event: 'kafka.topics_created', topics: missing })
  return missing
}

async function makeTopics(options: TopicCreation, topics: readonly string[]): Promise<void> {
  await withAdmin(createKafka(options), async (admin) => {
    const { brokers } = await admin.describeCluster()
    const replicas = options.replicationFactor ?? Math.min(USUAL_REPLICAS, brokers.length)
    const inSync = options.minInSyncReplicas ?? Math.max(1, replicas - 1)
    await admin.createTopics({
      waitForLeaders: true,
      topics: topics.map((topic) => ({
        topic,
        numPartitions: 1,
        replicationFactor: replicas,
        configEntries: [
          { name: 'min.insync.replicas', value: String(inSync) },
          { name: 'max.message.bytes', value: String(MAX_MESSAGE_BYTES) },
          { name: 'retention.ms', value: String(RETENTION_MS) },
          { name: 'cleanup.policy', value: 'delete' },
        ],
      })),
    })
  })
}

function requireFit(states: readonly TopicState[], expectedMissing: readonly string[]): void {
  const unfit = states.find(({ partitions }) => partitions > 1)
  if (unfit !== undefined) {
    const { topic, partitions } = unfit
    throw platformErrors.topic_unfit(
      `${topic} has ${partitions} partitions, so it keeps no order; it needs exactly one`,
    )
  }
  const missing = states.filter(({ partitions }) => partitions === 0).map(({ topic }) => topic)
  const surprising = missing.filter((topic) => !expectedMissing.includes(topic))
  if (surprising.length > 0) throw topicsMissing(surprising)
}

function absent(topic: string): TopicState {
  return { topic, partitions: 0, replicas: 0 }
}
