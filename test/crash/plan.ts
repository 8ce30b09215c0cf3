import type { FailPointName } from './failpoint.ts'

/** Who is ended: the node at a moment of no meaning or at a fail point, or what it stands on. */
export type Target =
  FailPointName | 'node' | 'postgres' | 'anvil' | 'node and postgres' | 'node and anvil'

/** One round; a relay has nothing to do without a broker. */
const ROUND: readonly Target[] = [
  'commit_sent',
  'anvil',
  'signed_unbroadcast',
  'postgres',
  'broadcast_unmined',
  'committed_unacknowledged',
  'node and anvil',
  'block_half_indexed',
  'node and postgres',
  'node',
]

/** A plan of so many ends meets every fail point but the relay's. */
export const ROUND_LENGTH = ROUND.length

/** The first so many ends of rounds that begin anew. */
export function planKills(count: number): readonly Target[] {
  return Array.from({ length: count }, (_, place) => ROUND[place % ROUND.length] ?? 'node')
}

/** How long the end number so many waits at its point: in every second round for a commit to arrive. */
export function stallMsOf(number: number, target: Target): number {
  const round = Math.ceil(number / ROUND.length)
  return target === 'commit_sent' && round % 2 === 0 ? 30 : 0
}
