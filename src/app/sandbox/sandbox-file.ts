import { join } from 'node:path'
import { Wallet } from 'ethers'
import { writeDurably } from '#platform/durable-file.ts'
import type { Identity } from './secrets-file.ts'

export interface SandboxFacts {
  readonly home: string
  readonly api: string
  readonly rpc: string
  readonly database: string
  readonly kafkaBrokers: readonly string[]
  readonly contracts: Readonly<Record<string, string>>
  readonly market: string
  /** Each demo user with the account that the node gave it. */
  readonly users: readonly (Identity & {
    readonly accountId: string
    readonly chainAccount: number
  })[]
}

/** Writes `<home>/sandbox.json`, mode 0600: everything that a program needs to use this sandbox. */
export function writeSandboxFile(facts: SandboxFacts): string {
  const path = join(facts.home, 'sandbox.json')
  const json = {
    api: facts.api,
    rpc: facts.rpc,
    database: facts.database,
    kafka: facts.kafkaBrokers.length === 0 ? null : facts.kafkaBrokers,
    contracts: facts.contracts,
    market: facts.market,
    users: facts.users.map((user) => ({
      role: user.role,
      email: user.email,
      password: user.password,
      api_key: user.apiKey,
      account_id: user.accountId,
      chain_account: user.chainAccount,
      wallet: walletOf(user),
    })),
  }
  writeDurably(path, `${JSON.stringify(json, null, 2)}\n`, 0o600)
  return path
}

function walletOf({ privateKey }: Identity): { address: string; private_key: string } | null {
  if (privateKey === undefined) return null
  return { address: new Wallet(privateKey).address, private_key: privateKey }
}
