import type { Log } from '../log.ts'
import { encodeEnvelope, type Envelope } from './event.ts'
import { connectProducer, ensureTopics, kafkaAway, topicOf, type Sender } from './kafka-log.ts'
import type { EventProducer } from './log.ts'

/**
 * Sends events to Kafka in order: acknowledged by all replicas, one request in flight, idempotent.
 * A producer that failed is thrown away, because kafkajs cannot raise its epoch.
 */
export class KafkaProducer implements EventProducer {
  readonly #options: { readonly brokers: readonly string[]; readonly log: Log }
  readonly #sender: { current: Promise<Sender> | undefined } = { current: undefined }
  readonly #topics = new Set<string>()

  constructor(options: { brokers: readonly string[]; log: Log }) {
    this.#options = options
  }

  async send(stream: string, batch: readonly Envelope[]): Promise<void> {
    const { brokers } = this.#options
    try {
      if (!this.#topics.has(stream)) {
        await ensureTopics({ ...this.#options, streams: [stream] })
        this.#topics.add(stream)
      }
      this.#sender.current ??= connectProducer(this.#options)
      const sender = await this.#sender.current
      await sender.send(
        topicOf(stream),
        batch.map((envelope) => ({
          key: envelope.key,
          value: encodeEnvelope(envelope),
          headers: { type: envelope.type, stream, seq: envelope.seq.toString() },
        })),
      )
    } catch (error) {
      throw kafkaAway(brokers, error)
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
}
