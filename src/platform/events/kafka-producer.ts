import { encodeEnvelope, type Envelope } from './event.ts'
import {
  connectProducer,
  explainKafka,
  topicOf,
  type KafkaAccess,
  type Message,
  type Sender,
} from './kafka-client.ts'
import { createTopics, requireTopics, type TopicCreation } from './kafka-topics.ts'
import type { EventProducer } from './log.ts'
import { formatPlace, splitText } from './parts.ts'

export interface KafkaProducerOptions extends KafkaAccess {
  /** Makes missing topics instead of refusing to send. */
  readonly createTopics?: Omit<TopicCreation, 'streams' | keyof KafkaAccess>
}

/** Brokers take a little more than a megabyte at once unless they are told otherwise. */
const MOST_BYTES = 900_000

/**
 * Sends events to Kafka in order: acknowledged by all replicas, one request in flight, idempotent.
 * A producer that failed is thrown away, because kafkajs cannot raise its epoch.
 */
export class KafkaProducer implements EventProducer {
  readonly #options: KafkaProducerOptions
  readonly #sender: { current: Promise<Sender> | undefined } = { current: undefined }
  readonly #topics = new Set<string>()

  constructor(options: KafkaProducerOptions) {
    this.#options = options
  }

  /** Errors: `platform.unavailable`, `platform.topic_missing`, `platform.topic_unfit`. */
  async send(stream: string, batch: readonly Envelope[]): Promise<void> {
    try {
      await this.#checkTopic(stream)
      this.#sender.current ??= connectProducer(this.#options)
      const sender = await this.#sender.current
      for (const messages of inRequests(batch.flatMap(toMessages))) {
        await sender.send(topicOf(stream), messages)
      }
    } catch (error) {
      throw explainKafka(this.#options.brokers, error)
    }
  }

  async reset(): Promise<void> {
    const { current } = this.#sender
    this.#sender.current = undefined
    this.#topics.clear()
    if (current === undefined) return
    try {
      const sender = await current
      await sender.close()
    } catch {
      // The connection that is thrown away may already be dead.
    }
  }

  async #checkTopic(stream: string): Promise<void> {
    if (this.#topics.has(stream)) return
    const { brokers, log, createTopics: creation } = this.#options
    const access = { brokers, log, streams: [stream] }
    if (creation === undefined) await requireTopics(access)
    else await createTopics({ ...access, ...creation })
    this.#topics.add(stream)
  }
}

function toMessages(envelope: Envelope): readonly Message[] {
  const { id, key, type, stream, seq } = envelope
  const headers = { type, stream, seq: seq.toString() }
  const pieces = splitText(encodeEnvelope(envelope), MOST_BYTES)
  const [only] = pieces
  if (only !== undefined && pieces.length === 1) return [{ key, value: only, headers }]
  return pieces.map((value, index) => ({
    key,
    value,
    headers: { ...headers, id, part: formatPlace({ place: index + 1, count: pieces.length }) },
  }))
}

/** Groups messages, in order, so that no request grows beyond what a broker takes. */
function inRequests(messages: readonly Message[]): readonly (readonly Message[])[] {
  const requests: Message[][] = []
  let room = 0
  for (const message of messages) {
    const size = Buffer.byteLength(message.value)
    const current = requests.at(-1)
    if (current !== undefined && size <= room) current.push(message)
    else {
      requests.push([message])
      room = MOST_BYTES
    }
    room -= size
  }
  return requests
}
