/** The steps that an operation of kind `tokenization` shows, in order. */
export const TOKENIZATION_STEPS = ['create_asset', 'list_asset', 'supply_batch', 'final'] as const
export type TokenizationStep = (typeof TOKENIZATION_STEPS)[number]

/** Where a tokenization stands: at one of its steps, or at its end. */
export type TokenizationPlace = TokenizationStep | 'done' | 'failed'

export interface Tokenization {
  /** Bare UUID, that of its operation as well. */
  readonly id: string
  /** Bare UUID of the asset. */
  readonly asset: string
  readonly chainAsset: number
  /** Chain account of the issuer. */
  readonly beneficiary: number
  readonly supplyAtoms: bigint
  readonly place: TokenizationPlace
}

/** What its supply request is for; each tokenization has one. */
export function tokenizationRef(id: string): string {
  return `tokenization:${id}`
}

/** What the worker sees when it looks at a tokenization. */
export interface TokenizationFacts {
  /** State of this tokenization's transaction for the token; undefined until it is requested. */
  readonly creation: 'requested' | 'failed' | undefined
  readonly creationError: string | null
  /** The core knows the token from a final block. */
  readonly isListed: boolean
  readonly supply: 'proposed' | 'batched' | 'final' | 'failed' | undefined
  readonly supplyError: string | null
  /** Nobody vouches for a reserve that the asset needs; the supply is not proposed before. */
  readonly lacksReserve: boolean
}

export type TokenizationMove =
  | { readonly type: 'request_creation' }
  | { readonly type: 'propose_supply' }
  | { readonly type: 'enter'; readonly step: TokenizationStep }
  | { readonly type: 'finish' }
  | { readonly type: 'fail'; readonly step: TokenizationStep; readonly error: string }
  | { readonly type: 'await_reserve' }
  | { readonly type: 'wait' }

const WAIT: TokenizationMove = { type: 'wait' }

/**
 * The next move. Every move is idempotent by a key of its own, so that a worker that was killed
 * between a move and its record makes the same move again and nothing happens twice.
 */
export function nextMove(place: TokenizationPlace, facts: TokenizationFacts): TokenizationMove {
  switch (place) {
    case 'create_asset':
      // An earlier tokenization may have got as far as the token.
      return facts.creation === undefined && !facts.isListed
        ? { type: 'request_creation' }
        : { type: 'enter', step: 'list_asset' }
    case 'list_asset':
      return afterCreation(facts)
    case 'supply_batch':
      return afterListing(facts)
    case 'final':
      return afterBatch(facts)
    case 'done':
    case 'failed':
      return WAIT
  }
}

function afterCreation(facts: TokenizationFacts): TokenizationMove {
  if (facts.isListed) return { type: 'enter', step: 'supply_batch' }
  if (facts.creation !== 'failed') return WAIT
  return {
    type: 'fail',
    step: 'list_asset',
    error: facts.creationError ?? 'the transaction failed',
  }
}

function afterListing(facts: TokenizationFacts): TokenizationMove {
  if (facts.supply === undefined)
    return facts.lacksReserve ? { type: 'await_reserve' } : { type: 'propose_supply' }
  if (facts.supply === 'proposed') return WAIT
  return facts.supply === 'failed'
    ? failSupply('supply_batch', facts)
    : { type: 'enter', step: 'final' }
}

function afterBatch(facts: TokenizationFacts): TokenizationMove {
  if (facts.supply === 'final') return { type: 'finish' }
  return facts.supply === 'failed' ? failSupply('final', facts) : WAIT
}

function failSupply(step: TokenizationStep, facts: TokenizationFacts): TokenizationMove {
  return { type: 'fail', step, error: facts.supplyError ?? 'the supply batch failed' }
}
