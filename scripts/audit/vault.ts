import { AbiCoder, Interface, id, keccak256, type LogDescription, type Result } from 'ethers'
import { text } from '../body.ts'
import { topicsOf, type Chain } from './chain.ts'
import { Lanes, readRecords } from './lanes.ts'

const HEADER =
  'BatchHeader(bytes32 prevHead,uint64 sequence,uint8 kind,uint64 closeTime,uint16 supplyAsset,int64 supplyChange,bytes32 recordsHash,bytes32 tradesRoot,bytes32 liabilitiesRoot,bytes32 journalHash)'
const HEADER_FIELDS = HEADER.slice(HEADER.indexOf('(') + 1, -1)
const HEADER_TYPES = HEADER_FIELDS.split(',').map((field) => field.split(' ')[0] ?? '')

const VAULT = new Interface([
  `function settle((${HEADER_FIELDS}) header, bytes records, bytes[] attestations)`,
  'function head() view returns (bytes32)',
  'function sequence() view returns (uint64)',
  'function balanceOf(uint32 account, uint16 asset) view returns (uint256)',
  'event BatchSettled(uint64 indexed sequence, bytes32 head, bytes32 journalHash)',
  'event Deposited(uint32 indexed account, uint16 indexed asset, uint256 amount)',
  'event Withdrawn(bytes32 indexed id, uint32 indexed account, uint16 indexed asset, uint256 amount)',
  'event ExitExecuted(uint32 indexed account, uint16 indexed asset, uint256 amount)',
  'event ExitModeEntered()',
])

const KINDS = ['', 'trade', 'supply', 'heartbeat']

/** A settled batch as its calldata tells it. */
export interface SettledBatch {
  readonly sequence: bigint
  readonly kind: string
  readonly head: string
  readonly journalHash: string
  readonly txHash: string
  readonly deltas: Lanes
}

export interface VaultHistory {
  /** Block as of which everything was read. */
  readonly block: number
  readonly batches: readonly SettledBatch[]
  readonly lanes: Lanes
  readonly deposits: number
  readonly withdrawals: number
  /** Lanes that wallets took out themselves. */
  readonly exits: number
  /** Exit mode: no batch will ever follow. */
  readonly isEnded: boolean
  readonly faults: readonly string[]
}

/** What each movement does to a lane, and where it is counted. */
const MOVEMENTS = {
  Deposited: { sign: 1n, count: 'deposits' },
  Withdrawn: { sign: -1n, count: 'withdrawals' },
  ExitExecuted: { sign: -1n, count: 'exits' },
} as const

/** The clearing house as its logs and calldata tell it, over plain JSON-RPC. */
export class Vault {
  readonly #chain: Chain
  readonly #address: string
  readonly #faults: string[] = []
  readonly #batches: SettledBatch[] = []
  readonly #lanes = new Lanes()
  readonly #counts = { deposits: 0, withdrawals: 0, exits: 0 }
  #isEnded = false

  constructor(chain: Chain, address: string) {
    this.#chain = chain
    this.#address = address
  }

  async read(): Promise<VaultHistory> {
    const block = await this.#chain.blockNumber()
    let head = await this.#genesis()
    for (const log of await this.#chain.logs(this.#address, block)) {
      const event = VAULT.parseLog({ topics: topicsOf(log), data: text(log, 'data') })
      if (event === null) continue
      if (event.name === 'BatchSettled')
        head = await this.#settled(event, text(log, 'transactionHash'), head)
      else this.#moved(event)
    }
    await this.#compare(head, block)
    return {
      ...this.#counts,
      block,
      batches: this.#batches,
      lanes: this.#lanes,
      isEnded: this.#isEnded,
      faults: this.#faults,
    }
  }

  async #genesis(): Promise<string> {
    const chainId = BigInt(String(await this.#chain.call('eth_chainId')))
    const types = ['string', 'uint256', 'address']
    return keccak256(
      AbiCoder.defaultAbiCoder().encode(types, ['mooring.head.v1', chainId, this.#address]),
    )
  }

  /** Applies a batch from the calldata of its transaction; answers the head after it. */
  async #settled(event: LogDescription, txHash: string, prevHead: string): Promise<string> {
    const transaction = await this.#chain.call('eth_getTransactionByHash', txHash)
    const [header, records] = callOf(text(transaction, 'input'))
    const values = [...header]
    const sequence = BigInt(String(event.args['sequence']))
    const head = keccak256(
      AbiCoder.defaultAbiCoder().encode(['bytes32', ...HEADER_TYPES], [id(HEADER), ...values]),
    )
    const deltas = readRecords(Buffer.from(records.slice(2), 'hex'))
    this.#expect(
      header['prevHead'] === prevHead,
      `batch ${sequence} does not extend the head before it`,
    )
    this.#expect(head === event.args['head'], `batch ${sequence}: its calldata hashes to ${head}`)
    this.#expect(
      header['recordsHash'] === keccak256(records),
      `batch ${sequence}: wrong hash of records`,
    )
    this.#expect(header['sequence'] === sequence, `batch ${sequence}: header and event differ`)
    this.#expectSums(sequence, header, deltas)
    for (const { account, asset, amount } of deltas.entries())
      this.#lanes.add(account, asset, amount)
    const kind = KINDS[Number(header['kind'])] ?? 'unknown'
    const journalHash = String(header['journalHash'])
    this.#batches.push({ sequence, kind, head, journalHash, txHash, deltas })
    return head
  }

  #expectSums(sequence: bigint, header: Result, deltas: Lanes): void {
    for (const [asset, sum] of deltas.sums()) {
      const isSupply = Number(header['kind']) === 2 && Number(header['supplyAsset']) === asset
      const declared = isSupply ? BigInt(String(header['supplyChange'])) : 0n
      this.#expect(
        sum === declared,
        `batch ${sequence}: asset ${asset} sums to ${sum}, not ${declared}`,
      )
    }
  }

  #moved({ name, args }: LogDescription): void {
    if (name === 'ExitModeEntered') this.#isEnded = true
    if (name !== 'Deposited' && name !== 'Withdrawn' && name !== 'ExitExecuted') return
    const { sign, count } = MOVEMENTS[name]
    this.#counts[count] += 1
    this.#lanes.add(Number(args['account']), Number(args['asset']), sign * BigInt(args['amount']))
  }

  /** Asks the contract itself for its head, its sequence and every lane. */
  async #compare(head: string, block: number): Promise<void> {
    const served = await this.#view(block, 'head')
    this.#expect(served === head, `head() is ${String(served)}, calldata gives ${head}`)
    const sequence = await this.#view(block, 'sequence')
    this.#expect(sequence === BigInt(this.#batches.length), `sequence() is ${String(sequence)}`)
    for (const { account, asset, amount } of this.#lanes.entries()) {
      const lane = await this.#view(block, 'balanceOf', account, asset)
      this.#expect(
        lane === amount,
        `account ${account}, asset ${asset}: the lane holds ${String(lane)}, calldata and events give ${amount}`,
      )
    }
  }

  async #view(block: number, method: string, ...args: readonly unknown[]): Promise<unknown> {
    return await this.#chain.view({ abi: VAULT, address: this.#address, block }, method, ...args)
  }

  #expect(holds: boolean, fault: string): void {
    if (!holds) this.#faults.push(fault)
  }
}

function callOf(input: string): [Result, string] {
  const [header, records]: unknown[] = VAULT.decodeFunctionData('settle', input)
  return [header as Result, String(records)]
}
