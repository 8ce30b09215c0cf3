import type { Database } from '#platform/db/pool.ts'
import { findLastNonce } from './attempt-store.ts'
import { nextNonce } from './nonce.ts'
import { RpcRefusal } from './rpc-refusal.ts'
import type { Signer, SignerRole } from './signer.ts'
import type { Cursor } from './store.ts'
import type { TransactionEndpoint } from './tx-endpoint-adapter.ts'

export interface NonceFinderOptions {
  readonly database: Database
  readonly endpoint: TransactionEndpoint
  readonly signers: Readonly<Record<SignerRole, Signer>>
}

const USED = 'somebody else used its key, and not for good yet'

/** Finds the nonce of what is signed next, and keeps what the chain counted of each signer. */
export class NonceFinder {
  readonly #options: NonceFinderOptions
  readonly #counts = new Map<SignerRole, number>()

  constructor(options: NonceFinderOptions) {
    this.#options = options
  }

  /** The chain is asked anew: somebody else may have used the key meanwhile. */
  forget(role: SignerRole): void {
    this.#counts.delete(role)
  }

  forgetAll(): void {
    this.#counts.clear()
  }

  /** Why there is none while somebody else's transactions may still be torn off. */
  async find(role: SignerRole, cursor: Cursor | undefined): Promise<number | string> {
    const { database, endpoint, signers } = this.#options
    const { address } = signers[role]
    const lastGiven = await findLastNonce(database, address)
    const known = await this.#count(role)
    const nonce = nextNonce(known, lastGiven)
    if (nonce !== undefined) return nonce
    if (cursor === undefined) return USED
    const counts = await endpoint.readCounts(address, cursor.final.number).catch(asWords)
    if (typeof counts === 'string') return `${USED}: ${counts}`
    if (counts.latest >= known) return nextNonce(counts.latest, lastGiven, counts.final) ?? USED
    // An endpoint that lags says the same as a reorg: the next turn looks again.
    this.forget(role)
    return USED
  }

  async #count(role: SignerRole): Promise<number> {
    const known = this.#counts.get(role)
    if (known !== undefined) return known
    const count = await this.#options.endpoint.readNonce(this.#options.signers[role].address)
    this.#counts.set(role, count)
    return count
  }
}

/** An endpoint without the state of the final block refuses, which must not end the whole turn. */
function asWords(error: unknown): string {
  if (error instanceof RpcRefusal) return error.message
  throw error
}
