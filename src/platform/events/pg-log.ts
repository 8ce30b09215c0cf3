import type { Database } from '../db/pool.ts'
import type { Log } from '../log.ts'
import type { EventLog, EventSubscription, Subscriber } from './log.ts'
import { OutboxReader } from './outbox-reader.ts'

/** The outbox itself as the log, for nodes without a broker. */
export class PgLog implements EventLog {
  readonly driver = 'pglog'
  readonly #options: { readonly database: Database; readonly log: Log }

  constructor(options: { database: Database; log: Log }) {
    this.#options = options
  }

  subscribe(subscriber: Subscriber): EventSubscription {
    const name = `pglog.${subscriber.group}.${subscriber.stream}`
    return new OutboxReader({ ...this.#options, ...subscriber, name })
  }
}
