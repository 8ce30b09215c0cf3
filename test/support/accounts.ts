import { generateKeyPairSync } from 'node:crypto'
import { Wallet } from 'ethers'
import { accountsModule, type AccountsModule } from '#accounts/module.ts'
import type { Role } from '#accounts/rbac.ts'
import type { User } from '#accounts/user.ts'
import { instant, type Clock, type Instant } from '#kernel/time.ts'
import { migrate } from '#platform/db/migrate.ts'
import { Database } from '#platform/db/pool.ts'
import { createLog } from '#platform/log.ts'
import { createDatabase } from './postgres.ts'

/** The service of accounts on a database that has its tables. */
export function accountsOn(database: Database): AccountsModule['service'] {
  return accountsModule({
    database,
    clock: new TestClock(),
    log: createLog({ level: 'silent' }),
    jwtPrivateKey: newJwtKey(),
    site: () => SITE,
    openAccount: () => Promise.resolve(),
  }).service
}

/** Stands still until it is moved. */
export class TestClock implements Clock {
  #nowMs = Date.UTC(2026, 10, 21, 12)

  now(): Instant {
    return instant(this.#nowMs)
  }

  pass(ms: number): void {
    this.#nowMs += ms
  }
}

export const PASSWORD = 'correct horse battery'
export const SITE = { domain: '127.0.0.1:8080', uri: 'http://127.0.0.1:8080', chainId: 31337 }

export interface Person {
  readonly user: User
  /** An API key. */
  readonly bearer: string
}

/** The accounts context on a database of its own. */
export interface AccountsFixture extends AccountsModule {
  readonly database: Database
  readonly clock: TestClock
  /** Numbers that the ledger was asked to open. */
  readonly opened: number[]
  /** Makes the ledger refuse to open accounts. */
  readonly ledger: { failure: Error | undefined }
  person(name: string, role?: Role): Promise<Person>
  stop(): Promise<void>
}

export async function startAccounts(): Promise<AccountsFixture> {
  const made = await createDatabase({ migrate: (url) => migrate({ url }) })
  const log = createLog({ level: 'silent' })
  const database = new Database({ url: made.url, log, poolSize: 6 })
  await database.start(new AbortController().signal)
  const clock = new TestClock()
  const opened: number[] = []
  const ledger: AccountsFixture['ledger'] = { failure: undefined }
  const accounts = accountsModule({
    database,
    clock,
    log,
    jwtPrivateKey: newJwtKey(),
    site: () => SITE,
    openAccount: async (chainAccount) => {
      if (ledger.failure !== undefined) throw ledger.failure
      opened.push(chainAccount)
      await Promise.resolve()
    },
  })
  return {
    ...accounts,
    database,
    clock,
    opened,
    ledger,
    person: async (name, role) => {
      const email = `${name}@example.com`
      const roles = role === undefined ? [] : [role]
      const user = await accounts.service.createUser({ email, password: PASSWORD, name, roles })
      const { key } = await accounts.service.createApiKey({ email, name: 'test' })
      return { user, bearer: key }
    },
    stop: async () => {
      await database.stop()
      await made.drop()
    },
  }
}

export function newJwtKey(): string {
  const { privateKey } = generateKeyPairSync('ed25519')
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

export function newWallet() {
  return Wallet.createRandom()
}
