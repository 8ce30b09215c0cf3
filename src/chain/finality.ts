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

/** The number up to which blocks are final now. */
export function finalTarget({ rule, head, final, tagged, durable }: FinalityView): number {
  const settled = 'depth' in rule ? head - rule.depth : Math.min(tagged ?? final, head)
  return Math.max(final, Math.min(settled, durable ?? settled))
}
