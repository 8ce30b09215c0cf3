/** What the crash test's stranger makes of an answer. */
import type { Kind } from './judgement.ts'

/** `again` says nothing yet, `refused` is final and right, `wrong` is a fault of the node. */
export type Meaning = 'done' | 'again' | 'refused' | 'wrong'

/** A node that comes back, another that leads, and the same request that is still under way. */
const AGAIN: ReadonlySet<string> = new Set([
  '503 platform.unavailable',
  '503 platform.fenced',
  '409 platform.idempotency_running',
])

/** What a right node may refuse of requests that are right themselves. */
const REFUSALS: Readonly<Record<Kind, readonly string[]>> = {
  order: ['422 ledger.insufficient_funds'],
  cancel: ['409 trading.order_terminal'],
  withdrawal: ['422 ledger.insufficient_funds'],
}

export function meaningOf(kind: Kind, status: number, code: unknown): Meaning {
  if (status >= 200 && status < 300) return 'done'
  const answer = `${status} ${String(code)}`
  if (AGAIN.has(answer)) return 'again'
  return REFUSALS[kind].includes(answer) ? 'refused' : 'wrong'
}
