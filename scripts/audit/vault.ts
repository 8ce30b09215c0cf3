import { AbiCoder, Interface, id, keccak256, type LogDescription, type Result } from 'ethers'
import { at, rows, show, text, type Body } from '../body.ts'
import { ScriptFailure } from '../sandbox-access.ts'
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
])

const KINDS = ['', 'trade', 'supply', 'heartbeat']
const BLOCKS_PER_CALL = 5000

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
  readonly faults: readonly string[]
}

/** The clearing house as its logs and calldata tell it, over plain JSON-RPC. */
export class Vault {
  readonly #rpc: string
  readonly #address: string
  readonly #faults: string[] = []
  readonly #batches: SettledBatch[] = []
  readonly #lanes = new Lanes()
  #counts = { deposits: 0, withdrawals: 0 }

  constructor(rpc: string, address: string) {
    this.#rpc = rpc
    this.#address = address
  }

  async read(): Promise<VaultHistory> {
    const block = Number(await this.#call('eth_blockNumber'))
    let head = await this.#genesis()
    for (const log of await this.#logs(block)) {
      const event = VAULT.parseLog({ topics: topicsOf(log), data: text(log, 'data') })
      if (event === null) continue
      if (event.name === 'BatchSettled')
        head = await this.#settled(event, text(log, 'transactionHash'), head)
      else this.#moved(event)
    }
    await this.#compare(head, block)
    const { deposits, withdrawals } = this.#counts
    return {
      block,
      batches: this.#batches,
      lanes: this.#lanes,
      deposits,
      withdrawals,
      faults: this.#faults,
    }
  }

  async #genesis(): Promise<string> {
    const chainId = BigInt(String(await this.#call('eth_chainId')))
    const types = ['string', 'uint256', 'address']
    return keccak256(
      AbiCoder.defaultAbiCoder().encode(types, ['mooring.head.v1', chainId, this.#address]),
    )
  }

  async #logs(last: number): Promise<readonly Body[]> {
    const logs: Body[] = []
    for (let first = 0; first <= last; first += BLOCKS_PER_CALL) {
      const filter = {
        address: this.#address,
        fromBlock: hex(first),
        toBlock: hex(Math.min(first + BLOCKS_PER_CALL - 1, last)),
      }
      logs.push(...rows(await this.#call('eth_getLogs', filter)))
    }
    return logs
  }

  /** Applies a batch from the calldata of its transaction; answers the head after it. */
  async #settled(event: LogDescription, txHash: string, prevHead: string): Promise<string> {
    const transaction = await this.#call('eth_getTransactionByHash', txHash)
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

  #moved(event: LogDescription): void {
    const [account, asset] = [Number(event.args['account']), Number(event.args['asset'])]
    const amount = BigInt(String(event.args['amount']))
    const isDeposit = event.name === 'Deposited'
    this.#counts[isDeposit ? 'deposits' : 'withdrawals'] += 1
    this.#lanes.add(account, asset, isDeposit ? amount : -amount)
  }

  /** Asks the contract itself for its head, its sequence and every lane. */
  async #compare(head: string, block: number): Promise<void> {
    const [served] = await this.#view('head', [], block)
    this.#expect(served === head, `head() is ${String(served)}, calldata gives ${head}`)
    const [sequence] = await this.#view('sequence', [], block)
    this.#expect(sequence === BigInt(this.#batches.length), `sequence() is ${String(sequence)}`)
    for (const { account, asset, amount } of this.#lanes.entries()) {
      const [lane] = await this.#view('balanceOf', [account, asset], block)
      this.#expect(
        lane === amount,
        `account ${account}, asset ${asset}: the lane holds ${String(lane)}, calldata and events give ${amount}`,
      )
    }
  }

  async #view(method: string, args: readonly unknown[], block: number): Promise<Result> {
    const call = { to: this.#address, data: VAULT.encodeFunctionData(method, [...args]) }
    return VAULT.decodeFunctionResult(
      method,
      String(await this.#call('eth_call', call, hex(block))),
    )
  }

  #expect(holds: boolean, fault: string): void {
    if (!holds) this.#faults.push(fault)
  }

  async #call(method: string, ...params: readonly unknown[]): Promise<unknown> {
    const response = await fetch(this.#rpc, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    })
    const answer: unknown = await response.json()
    const refusal = at(answer, 'error', 'message')
    if (refusal !== undefined) throw new ScriptFailure(`${method}: ${show(refusal)}`)
    return at(answer, 'result')
  }
}

function topicsOf(log: Body): string[] {
  const topics = at(log, 'topics')
  return Array.isArray(topics) ? topics.map(String) : []
}

function callOf(input: string): [Result, string] {
  const [header, records]: unknown[] = VAULT.decodeFunctionData('settle', input)
  return [header as Result, String(records)]
}

function hex(value: number): string {
  return `0x${value.toString(16)}`
}
