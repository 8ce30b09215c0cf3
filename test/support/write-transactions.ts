import { Client } from 'pg'

/** What one connection sent between BEGIN and the end, or one statement of its own. */
export interface SentTransaction {
  readonly statements: readonly string[]
  readonly end: 'COMMIT' | 'ROLLBACK' | 'alone'
}

const WRITE = /\b(INSERT INTO|UPDATE [a-z]+\.|DELETE FROM|COPY )|\b(append_events|write_position)\(/
const FENCE = /FROM platform\.fence WHERE role = \$1 FOR SHARE/

/** Listens to what this process sends to Postgres, and changes nothing about it. */
export class WriteTransactions {
  readonly #ended: SentTransaction[] = []
  readonly #open = new Map<unknown, string[]>()
  readonly #restore: () => void

  constructor() {
    const note = (connection: unknown, query: unknown): void => this.#note(connection, query)
    const query: unknown = Reflect.get(Client.prototype, 'query')
    if (typeof query !== 'function') throw new TypeError('pg has no query')
    Reflect.set(Client.prototype, 'query', function (this: Client, ...sent: unknown[]): unknown {
      note(this, sent[0])
      return Reflect.apply(query, this, sent)
    })
    this.#restore = () => void Reflect.set(Client.prototype, 'query', query)
  }

  stop(): void {
    this.#restore()
  }

  /** Those that write, in the order of their ends. */
  all(): readonly SentTransaction[] {
    return this.#ended.filter(({ statements }) => statements.some((sql) => WRITE.test(sql)))
  }

  /** Those that write before they look at their epoch, or never look. */
  unfenced(): readonly SentTransaction[] {
    return this.all().filter(({ statements }) => {
      const look = statements.findIndex((sql) => FENCE.test(sql))
      return look === -1 || look > statements.findIndex((sql) => WRITE.test(sql))
    })
  }

  /** How many ended at the sight of another epoch. */
  refused(): number {
    return this.#ended.filter(
      ({ statements, end }) => end === 'ROLLBACK' && FENCE.test(statements.at(-1) ?? ''),
    ).length
  }

  #note(connection: unknown, query: unknown): void {
    const sql = textOf(query).trim()
    const begun = this.#open.get(connection)
    if (sql.startsWith('BEGIN')) this.#open.set(connection, [])
    else if (begun === undefined) this.#ended.push({ statements: [sql], end: 'alone' })
    else if (sql === 'COMMIT' || sql === 'ROLLBACK') {
      this.#open.delete(connection)
      this.#ended.push({ statements: begun, end: sql })
    } else begun.push(sql)
  }
}

function textOf(query: unknown): string {
  if (typeof query === 'string') return query
  const text: unknown =
    typeof query === 'object' && query !== null && 'text' in query ? query.text : 'COPY stream'
  return typeof text === 'string' ? text : ''
}
