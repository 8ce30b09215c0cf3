/** What makes a block final: blocks on top of it, or the chain's own word. */
export type FinalityRule = { readonly depth: number } | { readonly tag: 'finalized' }

export interface Finality {
  readonly rule: FinalityRule
  /** The highest block that a crash of the chain cannot lose; final blocks stay below it. */
  readonly durableBlock?: () => number
  /** Changes when the chain's launcher knows that blocks were lost: a shorter head is real then. */
  readonly chainInstance?: string
}

export interface FinalityView {
  readonly rule: FinalityRule
  /** Our head, which the endpoint's chain holds. */
  readonly head: number
  /** What is final already; finality never goes back. */
  readonly final: number
  /** The block that the chain calls final. */
  readonly tagged: number | undefined
  /** The highest block that a crash of the chain cannot lose; undefined where none can. */
  readonly durable: number | undefined
}

/** The block below which `head` cannot change the chain any more; undefined without the chain's word. */
export function settledBlock(
  rule: FinalityRule,
  head: number,
  tagged: number | undefined,
): number | undefined {
  if ('depth' in rule) return head - rule.depth
  return tagged === undefined ? undefined : Math.min(tagged, head)
}

/** The number up to which blocks are final now. */
export function finalTarget({ rule, head, final, tagged, durable }: FinalityView): number {
  const settled = settledBlock(rule, head, tagged) ?? final
  return Math.max(final, Math.min(settled, durable ?? settled))
}

/**
 * The number that endpoints agree to call final, at most `own`: what two of them claim, so that of
 * three or more neither one that lags nor one that is hasty decides. Of two the lower claim counts,
 * however far behind it is: nobody is there to say which of the two is wrong.
 */
export function sharedFinal(own: number, others: readonly number[]): number {
  const [highest = own, second = highest] = [own, ...others].toSorted((a, b) => b - a)
  return Math.min(own, second)
}
