import { randomBytes } from 'node:crypto'
import { present } from '#kernel/assert.ts'
import type { PageRequest } from '#kernel/page.ts'
import type { Clock, Instant } from '#kernel/time.ts'
import type { AccountsService } from '#accounts/service.ts'
import type { User } from '#accounts/user.ts'
import { encodeRegister } from '#chain/contracts/investor-registry.ts'
import type { ChainService } from '#chain/service.ts'
import type { LedgerService } from '#ledger/service.ts'
import type { Stop } from '#ledger/stop.ts'
import { newUuid, sha256 } from '#platform/crypto.ts'
import { runCommand } from '#platform/db/command.ts'
import type { Database, Tx } from '#platform/db/pool.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import type { EpochGuard } from '#platform/leader.ts'
import type { Principal } from '#platform/http/principal.ts'
import { complianceErrors } from './errors.ts'
import * as store from './store.ts'
import {
  isLost,
  registrationTxKey,
  statusAfter,
  type RegistrationStatus,
  type WalletRegistration,
} from './wallet-registration.ts'

export interface ComplianceOptions {
  readonly database: Database
  readonly clock: Clock
  readonly accounts: AccountsService
  readonly ledger: Pick<LedgerService, 'findStop'>
  readonly chain: Pick<ChainService, 'deployment' | 'findTransaction' | 'requestTransaction'>
}

/** A registration with the person who asked for it. */
export interface QueueEntry {
  readonly registration: WalletRegistration
  readonly user: User
}

export interface DecisionRequest {
  readonly accountId: string
  readonly officer: Principal
  readonly idempotencyKey: string | undefined
}

export interface LostRegistration {
  /** `acc_…` */
  readonly accountId: string
  readonly reason: string
}

/** Registrations looked at in one read. */
const PAGE = 50

type Decided = { readonly result: WalletRegistration; readonly replayed: boolean }

/** Who may hold wallets on the platform. */
export class ComplianceService {
  readonly #options: ComplianceOptions

  constructor(options: ComplianceOptions) {
    this.#options = options
  }

  async getMe(userId: string): Promise<{
    readonly user: User
    readonly registration: WalletRegistration | undefined
    readonly stop: Stop | undefined
  }> {
    const { accounts, ledger } = this.#options
    const user = await accounts.getUser(userId)
    const registration = await this.findRegistration(user.accountId)
    return { user, registration, stop: await ledger.findStop(user.chainAccount) }
  }

  async findRegistration(accountId: string): Promise<WalletRegistration | undefined> {
    return store.findRegistration(this.#options.database, accountId)
  }

  /**
   * Links the wallet that signed the user's challenge and puts it into the officer's queue. Throws
   * `compliance.wallet_linked`, `compliance.wallet_taken` and what the proof is refused with.
   */
  async linkWallet(
    user: { readonly userId: string; readonly accountId: string; readonly chainAccount: number },
    proof: { readonly address: string; readonly signature: string },
  ): Promise<WalletRegistration> {
    await this.#options.accounts.openAccounts(user.userId)
    return inTransaction(this.#options.database, (tx) => this.#link(tx, user, proof))
  }

  /** Oldest first; one more than the page holds. */
  async listRegistrations(
    status: RegistrationStatus | undefined,
    page: PageRequest,
  ): Promise<readonly QueueEntry[]> {
    const rows = await store.listRegistrations(this.#options.database, status, page)
    const users = await this.#options.accounts.listUsersByAccount(
      rows.map((registration) => registration.accountId),
    )
    return rows.map((registration) => {
      const user = users.find(({ accountId }) => accountId === registration.accountId)
      return { registration, user: present(user, 'user of a registration') }
    })
  }

  /**
   * Sends the wallet to the registry of the chain with this class. Throws
   * `compliance.registration_not_found`, `compliance.registration_decided`,
   * `compliance.own_registration`, `compliance.expiry_past`.
   */
  async approve(
    request: DecisionRequest & {
      readonly investorClass: number
      readonly expiresAt: Instant | null
    },
  ): Promise<Decided> {
    const { investorClass, expiresAt } = request
    if (expiresAt !== null && expiresAt <= this.#options.clock.now()) {
      throw complianceErrors.expiry_past()
    }
    return this.#decide('approve', request, { investorClass, expiresAt }, async (tx, found) => {
      const attempts = found.attempts + 1
      const txKey = registrationTxKey(found.chainAccount, attempts)
      await this.#requestRegister(tx, txKey, found, { investorClass, expiresAt })
      return { investorClass, expiresAt, txKey, attempts }
    })
  }

  /** Throws as `approve` does; the user may link a wallet again. */
  async refuse(request: DecisionRequest & { readonly reason: string }): Promise<Decided> {
    const { reason } = request
    return this.#decide('refuse', request, { reason }, async () => ({ reason }))
  }

  /**
   * Puts registrations whose transaction was rejected, or reverted for ever, back into the officer's
   * queue with the reason; they may be approved again. Returns them; throws what `guard` refuses with.
   */
  async returnLostRegistrations(guard: EpochGuard): Promise<readonly LostRegistration[]> {
    const lost: LostRegistration[] = []
    let after: string | undefined
    do {
      const page = { after, limit: PAGE }
      const rows = await store.listRegistrations(this.#options.database, 'submitted', page)
      for (const { accountId } of rows) {
        const reason = await this.#returnIfLost(accountId, guard)
        if (reason !== undefined) lost.push({ accountId, reason })
      }
      after = rows.length > PAGE ? rows.at(-1)?.id : undefined
    } while (after !== undefined)
    return lost
  }

  /** Why the chain did not take it; undefined while it still may. */
  async #returnIfLost(accountId: string, guard: EpochGuard): Promise<string | undefined> {
    return inTransaction(this.#options.database, async (tx) => {
      await guard(tx)
      const found = await store.lockRegistration(tx, accountId)
      const status = statusAfter(found?.status, 'lose')
      const key = found?.txKey ?? undefined
      if (status === undefined || key === undefined) return undefined
      const transaction = await this.#options.chain.findTransaction(tx, key)
      if (transaction === undefined || !isLost(transaction.state)) return undefined
      const { state, error } = transaction
      const reason = `the registration was ${state}${error === undefined ? '' : `: ${error}`}`
      await store.returnToQueue(tx, accountId, status, reason)
      return reason
    })
  }

  async #link(
    tx: Tx,
    user: { readonly userId: string; readonly accountId: string; readonly chainAccount: number },
    proof: { readonly address: string; readonly signature: string },
  ): Promise<WalletRegistration> {
    const known = await store.lockRegistration(tx, user.accountId)
    if (statusAfter(known?.status, 'link') === undefined) throw complianceErrors.wallet_linked()
    const address = await this.#options.accounts.proveWallet(tx, user.userId, proof)
    const identitySalt = randomBytes(32)
    const linked = await store.putRegistration(tx, {
      id: newUuid(),
      accountId: user.accountId,
      chainAccount: user.chainAccount,
      wallet: address,
      identitySalt,
      identityHash: sha256(identitySalt, user.userId),
      createdAt: this.#options.clock.now(),
    })
    if (linked === undefined) throw complianceErrors.wallet_taken()
    return linked
  }

  async #decide(
    step: 'approve' | 'refuse',
    request: DecisionRequest,
    input: object,
    act: (tx: Tx, found: WalletRegistration) => Promise<Partial<store.Decision>>,
  ): Promise<Decided> {
    const { accountId, officer, idempotencyKey } = request
    return runCommand(this.#options.database, {
      scope: officer.userId,
      operation: `POST /v1/registrations/${accountId}/${step}`,
      key: idempotencyKey,
      input,
      work: async (tx) => {
        const found = await store.lockRegistration(tx, accountId)
        const status = requireStep(found, step, officer)
        const terms = await act(tx, present(found, 'registration'))
        const decidedAt = this.#options.clock.now()
        const decision = { ...terms, status, decidedBy: officer.userId, decidedAt }
        return { result: await store.recordDecision(tx, accountId, decision), resource: accountId }
      },
      replay: async (resource) => present(await this.findRegistration(resource), resource),
    })
  }

  async #requestRegister(
    tx: Tx,
    key: string,
    { chainAccount, wallet, identityHash }: WalletRegistration,
    terms: { readonly investorClass: number; readonly expiresAt: Instant | null },
  ): Promise<void> {
    const { chain } = this.#options
    const expirySeconds = terms.expiresAt === null ? 0 : Math.floor(terms.expiresAt / 1000)
    await chain.requestTransaction(tx, {
      signer: 'registrar',
      key,
      to: present(chain.deployment().contracts['InvestorRegistry'], 'InvestorRegistry'),
      data: encodeRegister({
        account: chainAccount,
        wallet,
        class: terms.investorClass,
        expiry: BigInt(expirySeconds),
        identityHash: `0x${identityHash.toString('hex')}`,
      }),
    })
  }
}

/** The next status; throws where the officer may not take this step. */
function requireStep(
  found: WalletRegistration | undefined,
  step: 'approve' | 'refuse',
  officer: Principal,
): RegistrationStatus {
  if (found === undefined) throw complianceErrors.registration_not_found()
  if (found.accountId === officer.accountId) throw complianceErrors.own_registration()
  const status = statusAfter(found.status, step)
  if (status === undefined) throw complianceErrors.registration_decided(`it is ${found.status}`)
  return status
}
