import { Wallet, concat, id, keccak256, toBeHex } from 'ethers'
import { present } from '#kernel/assert.ts'
import { SuiteChain } from '../../test/support/suite-chain.ts'
import type { ContractName } from '../../deploy/contracts/artifact.ts'
import type { Deployment } from '../../deploy/contracts/addresses-file.ts'

export const START_SECONDS = 1_800_000_000

/** Fields of a batch header in the order in which they are signed. */
export const BATCH_TYPE = {
  BatchHeader: [
    { name: 'prevHead', type: 'bytes32' },
    { name: 'sequence', type: 'uint64' },
    { name: 'kind', type: 'uint8' },
    { name: 'closeTime', type: 'uint64' },
    { name: 'supplyAsset', type: 'uint16' },
    { name: 'supplyChange', type: 'int64' },
    { name: 'recordsHash', type: 'bytes32' },
    { name: 'tradesRoot', type: 'bytes32' },
    { name: 'liabilitiesRoot', type: 'bytes32' },
    { name: 'journalHash', type: 'bytes32' },
  ],
}

/** One record: signed atoms of the lanes 0, 1, 2 of a group. */
export interface Row {
  readonly account: number
  readonly place: number
  readonly legs: readonly [bigint, bigint, bigint]
}

export interface BatchInput {
  readonly kind: 1 | 2 | 3
  readonly groups: readonly number[]
  readonly rows: readonly Row[]
  readonly supply?: readonly [asset: number, change: bigint]
  /** Unix seconds. */
  readonly closeTime?: number
}

function leg(amount: bigint): string {
  const size = amount < 0n ? -amount : amount
  return concat([amount > 0n ? '0x01' : '0x00', toBeHex(size, 8)])
}

function recordsOf({ groups, rows }: BatchInput): string {
  return concat([
    toBeHex(groups.length, 1),
    ...groups.map((group) => toBeHex(group, 2)),
    ...rows.map(({ account, place, legs: [low, middle, high] }) =>
      concat([toBeHex(account, 4), toBeHex(place, 1), leg(high), leg(middle), leg(low)]),
    ),
  ])
}

function ascending(wallets: readonly Wallet[]): readonly Wallet[] {
  return wallets.toSorted((a, b) => (BigInt(a.address) < BigInt(b.address) ? -1 : 1))
}

/** The whole suite on a chain of its own, where every number is the same each time. */
export class GasStage {
  readonly attestors = ascending([1, 2, 3].map((seed) => new Wallet(id(`attestor ${seed}`))))
  readonly #on: SuiteChain
  #isAttested = false

  private constructor(on: SuiteChain) {
    this.#on = on
  }

  static async open(): Promise<GasStage> {
    return new GasStage(await SuiteChain.start(['--timestamp', String(START_SECONDS)]))
  }

  async close(): Promise<void> {
    await this.#on.stop()
  }

  get officer(): Wallet {
    return this.#on.officer
  }

  get suite(): Deployment {
    return this.#on.suite
  }

  /** The only value that a view returns. */
  read(name: ContractName, method: string, ...values: unknown[]): Promise<unknown> {
    return this.#on.read(name, method, ...values)
  }

  /** Receipt gas of a call by the officer. */
  send(name: ContractName, method: string, ...values: unknown[]): Promise<number> {
    return this.#on.send(name, method, ...values)
  }

  /** Receipt gas of a call by anybody, to a contract with the ABI of `name`. */
  sendFrom(
    wallet: Wallet,
    name: ContractName,
    to: string,
    method: string,
    ...values: unknown[]
  ): Promise<number> {
    return this.#on.sendFrom(wallet, name, to, method, ...values)
  }

  /** A registered wallet with gas coin. */
  async enroll(account: number, class_ = 1): Promise<Wallet> {
    const wallet = new Wallet(id(`wallet ${account}`), this.#on.provider)
    await this.#on.chain.rpc('anvil_setBalance', [wallet.address, toBeHex(10n ** 20n)])
    await this.send('InvestorRegistry', 'register', account, wallet.address, class_, 0, id('file'))
    return wallet
  }

  /** From here on a batch needs two of three attestations. */
  async attest(): Promise<void> {
    const addresses = this.attestors.map(({ address }) => address)
    await this.send('ClearingHouse', 'setAttestors', addresses, 2)
    this.#isAttested = true
  }

  /** Receipt gas of a batch. */
  async settle(batch: BatchInput): Promise<number> {
    const records = recordsOf(batch)
    const header = {
      prevHead: String(await this.read('ClearingHouse', 'head')),
      sequence: BigInt(String(await this.read('ClearingHouse', 'sequence'))) + 1n,
      kind: batch.kind,
      closeTime: batch.closeTime ?? START_SECONDS + 1,
      supplyAsset: batch.supply?.[0] ?? 0,
      supplyChange: batch.supply?.[1] ?? 0n,
      recordsHash: keccak256(records),
      tradesRoot: id('trades'),
      liabilitiesRoot: id('liabilities'),
      journalHash: id('journal'),
    }
    const signers = this.#isAttested ? this.attestors.slice(0, 2) : []
    const domain = this.domain('ClearingHouse')
    const signatures = await Promise.all(
      signers.map((signer) => signer.signTypedData(domain, BATCH_TYPE, header)),
    )
    return this.send('ClearingHouse', 'settle', header, records, signatures)
  }

  domain(name: ContractName) {
    const verifyingContract = present(this.suite.contracts[name], name)
    return { name: 'Mooring', version: '1', chainId: this.suite.chainId, verifyingContract }
  }

  /** The next block is at this time, Unix seconds after the start. */
  async wait(seconds: number): Promise<void> {
    const time = START_SECONDS + seconds
    await this.#on.chain.rpc('evm_setNextBlockTimestamp', [time])
    await this.#on.chain.rpc('evm_mine')
  }
}
