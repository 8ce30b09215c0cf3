import type { BatchKind, BatchStatus } from './batch.ts'

/** How far the transaction of a batch is; `refused` never spent a nonce, `reverted` is final. */
export type TransactionProgress = 'waiting' | 'sent' | 'refused' | 'reverted'

/** What the settler knows when it decides on its next step. */
export interface CycleView {
  readonly status: 'running' | 'halted'
  /** The one batch that is not mined yet. */
  readonly open:
    | {
        readonly kind: BatchKind
        readonly status: Extract<BatchStatus, 'netted' | 'submitted' | 'reverted'>
        readonly progress: TransactionProgress
        /** No other batch builds on its head. */
        readonly isLast: boolean
      }
    | undefined
  /** A proposed supply change of an asset that is listed. */
  readonly isSupplyReady: boolean
  /** The interval ran out. */
  readonly isDue: boolean
  /** Some internal transfer is not netted yet. */
  readonly hasTransfers: boolean
  /** Every batch so far is final and somebody waits for a range that holds no internal transfer. */
  readonly canCover: boolean
  /** A day passed since the last batch. */
  readonly isHeartbeatDue: boolean
  /** An account may leave as soon as a batch closes after its request. */
  readonly isExitWaiting: boolean
}

export type CycleStep =
  'mark_submitted' | 'halt' | 'abandon' | 'cover' | 'send_supply' | 'net' | 'heartbeat' | 'rest'

/** The settler's next step; it asks again until the answer is `rest`. */
export function nextStep(view: CycleView): CycleStep {
  if (view.open !== undefined) return followOpen(view.open)
  if (view.status === 'halted') return 'rest'
  if (view.canCover) return 'cover'
  // Before supply, of which there may always be more: whoever wants to leave may end settlement.
  if (view.isHeartbeatDue || view.isExitWaiting) return view.hasTransfers ? 'net' : 'heartbeat'
  if (view.isSupplyReady) return 'send_supply'
  if (view.isDue && view.hasTransfers) return 'net'
  return 'rest'
}

function followOpen(open: NonNullable<CycleView['open']>): CycleStep {
  if (open.status === 'reverted') return 'rest'
  switch (open.progress) {
    case 'sent':
      return open.status === 'netted' ? 'mark_submitted' : 'rest'
    case 'refused':
    case 'reverted':
      // A supply change stands alone; trades that do not settle concern everybody after them.
      return open.kind === 'supply' && open.isLast ? 'abandon' : 'halt'
    case 'waiting':
      return 'rest'
  }
}
