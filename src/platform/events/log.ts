import { AppError } from '#kernel/errors.ts'
import { platformErrors } from '../errors.ts'
import type { Service } from '../lifecycle.ts'
import type { Log } from '../log.ts'
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

/** Logs a delivery that failed: a missing event is an alarm, everything else is tried again. */
export function reportFailure(log: Log, reader: string, failures: number, error: unknown): void {
  if (isGap(error)) log.error({ event: 'events.gap', reader, failures, error })
  else log.warn({ event: 'events.delivery_failed', reader, failures, error })
}

export function isGap(error: unknown): boolean {
  return error instanceof AppError && error.code === platformErrors.stream_gap.code
}
