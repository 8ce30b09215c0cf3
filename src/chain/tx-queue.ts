import type { SignerRole } from './signer.ts'
import type { QueueView } from './tx-step.ts'
import type { TransactionState } from './tx.ts'

interface Queued {
  readonly signer: SignerRole
  readonly state: TransactionState
  readonly nonce: number | undefined
  /** Where the chain holds it. */
  readonly sighting: object | undefined
}

const ON_ITS_WAY: readonly TransactionState[] = ['signed', 'broadcast', 'cancelling']

/** One signer's requests while a turn goes through them in order. */
export class SignerQueue {
  readonly #findBlock: () => string | undefined
  readonly #nonces: Set<number>
  #isOpen = true

  /** `findBlock` tells what keeps new transactions back, which may come up while the turn goes on. */
  constructor(
    requests: readonly Queued[],
    signer: SignerRole,
    findBlock: () => string | undefined,
  ) {
    const own = requests.filter((request) => request.signer === signer && isUnmined(request))
    this.#nonces = new Set(own.flatMap(({ nonce }) => (nonce === undefined ? [] : [nonce])))
    this.#findBlock = findBlock
  }

  get unmined(): number {
    return this.#nonces.size
  }

  placeOf({ nonce }: Queued): QueueView {
    return {
      unmined: this.unmined,
      isLowest: nonce !== undefined && nonce === Math.min(...this.#nonces),
      isNext: this.#isOpen,
      blocked: this.#findBlock(),
    }
  }

  /** The turn is done with a request; one that still waits for a nonce holds up those behind it. */
  pass(request: Queued): void {
    if (request.state === 'requested') this.#isOpen = false
    if (request.nonce === undefined) return
    if (isUnmined(request)) this.#nonces.add(request.nonce)
    else this.#nonces.delete(request.nonce)
  }
}

function isUnmined({ state, nonce, sighting }: Queued): boolean {
  return nonce !== undefined && sighting === undefined && ON_ITS_WAY.includes(state)
}
