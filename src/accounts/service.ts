import { AppError } from '#kernel/errors.ts'
import { instant, type Clock, type Instant } from '#kernel/time.ts'
import { hashPassword, newId, randomToken, sha256, verifyPassword } from '#platform/crypto.ts'
import type { Database, Tx } from '#platform/db/pool.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import { platformErrors } from '#platform/errors.ts'
import type { Log } from '#platform/log.ts'
import { formatApiKey, isApiKey } from './api-key.ts'
import { accountsErrors } from './errors.ts'
import { SESSION_SECONDS, type SessionTokens } from './jose-adapter.ts'
import { LoginGuard } from './rate-limiter-adapter.ts'
import { permissionsOf, type Role } from './rbac.ts'
import type { Reader } from './reader.ts'
import { CHALLENGE_LIFE_MS, buildSiweMessage, type Site } from './siwe.ts'
import { isSignedBy, toChecksumAddress } from './siwe-adapter.ts'
import * as store from './store.ts'
import { isPasswordLength, normalizeEmail, type User } from './user.ts'

export interface AccountsOptions {
  readonly database: Database
  readonly clock: Clock
  readonly log: Log
  readonly tokens: SessionTokens
  /** What wallets are told about this node. */
  readonly site: () => Site
  /** Opens the ledger account; a second time changes nothing. Absent where no engine is at hand. */
  readonly openAccount?: (chainAccount: number) => Promise<void>
}

export interface Registration {
  readonly email: string
  readonly password: string
  readonly name: string
  /** Besides investor, which everybody is. */
  readonly roles?: readonly Role[]
}

export class AccountsService {
  readonly #options: AccountsOptions
  readonly #guard = new LoginGuard()
  /** Checked for emails that nobody has, so that a reply takes as long as for the others. */
  readonly #decoyHash: Promise<string>

  constructor(options: AccountsOptions) {
    this.#options = options
    this.#decoyHash = hashPassword(randomToken(16))
    this.#decoyHash.catch(() => undefined)
  }

  /** Throws `accounts.weak_password`, `accounts.email_taken`. */
  async createUser(registration: Registration): Promise<User> {
    const { email, password, name, roles = [] } = registration
    if (!isPasswordLength(password)) throw accountsErrors.weak_password()
    const passwordHash = await hashPassword(password)
    const user = await inTransaction(this.#options.database, (tx) =>
      store.insertUser(tx, {
        id: newId('user'),
        accountId: newId('account'),
        email: normalizeEmail(email),
        name,
        passwordHash,
        roles: [...new Set<Role>(['investor', ...roles])],
      }),
    )
    if (user === undefined) throw accountsErrors.email_taken()
    await this.openAccounts(user.id)
    return user
  }

  /** Throws `accounts.wrong_credentials`, `platform.rate_limited`. */
  async logIn(credentials: {
    readonly email: string
    readonly password: string
    readonly remoteAddress: string
  }): Promise<{ readonly accessToken: string; readonly expiresInSeconds: number }> {
    const { database, tokens } = this.#options
    const email = normalizeEmail(credentials.email)
    await this.#guard.requireRoom(email, credentials.remoteAddress)
    const known = await store.findPasswordHash(database, email)
    const fits = await verifyPassword(credentials.password, known ?? (await this.#decoyHash))
    const user = fits ? await store.findUserByEmail(database, email) : undefined
    if (user === undefined) {
      await this.#guard.recordFailure(email, credentials.remoteAddress)
      throw accountsErrors.wrong_credentials()
    }
    await this.openAccounts(user.id)
    return { accessToken: await tokens.sign(user), expiresInSeconds: SESSION_SECONDS }
  }

  /** Throws `accounts.user_not_found`. */
  async getUser(id: string): Promise<User> {
    const user = await store.findUser(this.#options.database, id)
    if (user === undefined) throw accountsErrors.user_not_found()
    return user
  }

  async findUserByEmail(email: string): Promise<User | undefined> {
    return store.findUserByEmail(this.#options.database, normalizeEmail(email))
  }

  /** Whose accounts (`acc_…`) these are; unknown ones are left out. */
  async listUsersByAccount(accountIds: readonly string[]): Promise<readonly User[]> {
    return store.listUsersByAccount(this.#options.database, accountIds)
  }

  /** Whose account numbers these are; those of the system and unknown ones are left out. */
  async listUsersByChainAccount(chainAccounts: readonly number[]): Promise<readonly User[]> {
    return store.listUsersByChainAccount(this.#options.database, chainAccounts)
  }

  /**
   * The number of the account whose records are asked for: the reader's own, or, for who sees all,
   * any `acc_…`. Throws `platform.forbidden`, `accounts.account_not_found`.
   */
  async getAccountToRead(reader: Reader, accountId: string | undefined): Promise<number> {
    if (accountId === undefined) return reader.chainAccount
    if (!reader.seesAll) throw platformErrors.forbidden('needs audit:read')
    const [user] = await this.listUsersByAccount([accountId])
    if (user === undefined) throw accountsErrors.account_not_found()
    return user.chainAccount
  }

  /** The user gets the role with the next session. Throws `accounts.user_not_found`. */
  async grantRole(email: string, role: Role): Promise<User> {
    const user = await this.#requireByEmail(email)
    await inTransaction(this.#options.database, (tx) => store.addRole(tx, user.id, role))
    return this.getUser(user.id)
  }

  /**
   * Makes a static key, or keeps a given one that is there already. `scopes` narrows what the user
   * may do. Throws `accounts.user_not_found`, `accounts.invalid_key`, `accounts.unknown_scope`.
   */
  async createApiKey(request: {
    readonly email: string
    readonly name: string
    readonly scopes?: readonly string[]
    readonly key?: string
  }): Promise<{ readonly id: string; readonly key: string }> {
    const { name, scopes = null, key = formatApiKey(randomToken(32)) } = request
    if (!isApiKey(key)) throw accountsErrors.invalid_key()
    const user = await this.#requireByEmail(request.email)
    requireScopes(user, scopes)
    const hash = sha256(key)
    const kept = await inTransaction(this.#options.database, (tx) =>
      store.insertApiKey(tx, { id: newId('apiKey'), userId: user.id, name, hash, scopes }),
    )
    if (kept.userId !== user.id) throw accountsErrors.invalid_key('the key belongs to another user')
    return { id: kept.id, key }
  }

  /** A text for the wallet to sign, once. Throws `accounts.address_invalid`. */
  async createChallenge(
    user: { readonly userId: string; readonly accountId: string },
    address: string,
  ): Promise<{ readonly message: string; readonly expiresAt: Instant }> {
    const { clock, database, site } = this.#options
    const checksummed = requireAddress(address)
    const issuedAt = clock.now()
    const expiresAt = instant(issuedAt + CHALLENGE_LIFE_MS)
    const message = buildSiweMessage(site(), {
      address: checksummed,
      accountId: user.accountId,
      nonce: sha256(randomToken(32)).toString('hex').slice(0, 32),
      issuedAt,
      expiresAt,
    })
    await inTransaction(database, (tx) =>
      store.putChallenge(tx, user.userId, {
        address: checksummed.toLowerCase(),
        message,
        expiresAtMs: expiresAt,
      }),
    )
    return { message, expiresAt }
  }

  /**
   * Uses up the challenge and returns the checksummed address. Throws
   * `accounts.address_invalid`, `accounts.challenge_not_found`, `accounts.signature_wrong`.
   */
  async proveWallet(
    tx: Tx,
    userId: string,
    proof: { readonly address: string; readonly signature: string },
  ): Promise<string> {
    const address = requireAddress(proof.address)
    const challenge = await store.takeChallenge(tx, userId, address.toLowerCase())
    if (challenge === undefined || challenge.expiresAtMs <= this.#options.clock.now()) {
      throw accountsErrors.challenge_not_found()
    }
    if (!isSignedBy(address, challenge.message, proof.signature)) {
      throw accountsErrors.signature_wrong()
    }
    return address
  }

  /** Opens ledger accounts that a crash or an absent engine left closed; all without a user. */
  async openAccounts(userId?: string): Promise<void> {
    const { clock, database, log, openAccount } = this.#options
    if (openAccount === undefined) return
    for (const chainAccount of await store.listUnopened(database, userId)) {
      try {
        await openAccount(chainAccount)
        await inTransaction(database, (tx) => store.markOpened(tx, chainAccount, clock.now()))
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        log.warn({ event: 'accounts.not_opened', chain_account: chainAccount, error })
      }
    }
  }

  async #requireByEmail(email: string): Promise<User> {
    const user = await this.findUserByEmail(email)
    if (user === undefined) throw accountsErrors.user_not_found()
    return user
  }
}

function requireAddress(address: string): string {
  const checksummed = toChecksumAddress(address)
  if (checksummed === undefined) throw accountsErrors.address_invalid()
  return checksummed
}

function requireScopes(user: User, scopes: readonly string[] | null): void {
  const allowed = permissionsOf(user.roles)
  const foreign = scopes?.filter((scope) => !allowed.has(scope)) ?? []
  if (foreign.length > 0) throw accountsErrors.unknown_scope(foreign.join(', '))
}
