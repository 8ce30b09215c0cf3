import type { Service } from '../lifecycle.ts'
import type { Envelope } from './event.ts'

export interface Subscriber {
  readonly group: string
  readonly stream: string
  /** Seq of the last event whose effect is committed; the log goes on behind it. */
  readonly position: () => Promise<bigint>
  /**
   * Gets events in order, at least once. When it throws, the log waits a little, asks for the
   * position again and delivers again from there.
   */
  readonly handle: (batch: readonly Envelope[]) => Promise<void>
}

export interface EventSubscription extends Service {
  /** Tells that more may have come; the next read happens at once. */
  wake(): void
}

/** The streams of the node, whatever carries them. The outbox in Postgres is the truth. */
export interface EventLog {
  readonly driver: 'pglog' | 'kafka'
  subscribe(subscriber: Subscriber): EventSubscription
}

/** Where the relay puts events for other processes. */
export interface EventProducer {
  /** Resolves when every replica that must have the events has them. */
  send(stream: string, batch: readonly Envelope[]): Promise<void>
  /** Drops the connection; the next `send` makes a new one. */
  reset(): Promise<void>
}
