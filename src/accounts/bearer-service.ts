import type { Clock } from '#kernel/time.ts'
import { sha256 } from '#platform/crypto.ts'
import type { Database } from '#platform/db/pool.ts'
import { platformErrors } from '#platform/errors.ts'
import type { Authenticator, Principal } from '#platform/http/principal.ts'
import { isApiKey } from './api-key.ts'
import type { SessionTokens } from './jose-adapter.ts'
import { permissionsOf } from './rbac.ts'
import { findKeyHolder } from './store.ts'

interface Known {
  readonly principal: Principal
  readonly untilMs: number
}

/** A revoked key works for this long at most. */
const KEY_LIFE_MS = 2000
const MAX_KNOWN = 10_000

/** Tells who a bearer is; remembers it for a moment, since each check costs a query or a signature. */
export class BearerService implements Authenticator {
  readonly #database: Database
  readonly #clock: Clock
  readonly #tokens: SessionTokens
  readonly #known = new Map<string, Known>()

  constructor(options: { database: Database; clock: Clock; tokens: SessionTokens }) {
    this.#database = options.database
    this.#clock = options.clock
    this.#tokens = options.tokens
  }

  /** Throws `platform.unauthenticated`, `platform.token_expired`. */
  async authenticate(bearer: string): Promise<Principal> {
    const hash = sha256(bearer)
    const place = hash.toString('base64')
    const known = this.#known.get(place)
    if (known !== undefined && known.untilMs > this.#clock.now()) return known.principal
    const found = isApiKey(bearer) ? await this.#findKey(hash) : await this.#readToken(bearer)
    this.#remember(place, found)
    return found.principal
  }

  async #findKey(hash: Buffer): Promise<Known> {
    const holder = await findKeyHolder(this.#database, hash)
    if (holder === undefined) throw platformErrors.unauthenticated('no such API key')
    const { keyId, scopes, user } = holder
    const { id: userId, accountId, chainAccount, roles } = user
    const permissions = permissionsOf(roles, scopes)
    const principal = { userId, accountId, chainAccount, roles, permissions, keyId }
    return { principal, untilMs: this.#clock.now() + KEY_LIFE_MS }
  }

  async #readToken(token: string): Promise<Known> {
    const {
      id: userId,
      accountId,
      chainAccount,
      roles,
      expiresAtMs,
    } = await this.#tokens.verify(token)
    const permissions = permissionsOf(roles)
    const principal = { userId, accountId, chainAccount, roles, permissions }
    return { principal, untilMs: expiresAtMs }
  }

  #remember(place: string, known: Known): void {
    if (this.#known.size >= MAX_KNOWN) this.#known.clear()
    this.#known.set(place, known)
  }
}
