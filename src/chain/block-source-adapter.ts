import { isJsonObject } from '#kernel/json.ts'
import type { BlockPlace, Header, RawLog } from './block.ts'
import { chainErrors } from './errors.ts'
import { addressOf, countOf, hashOf, hexOf, quantity, quantityOf, type Hex } from './hex.ts'
import type { RpcCall, RpcClient } from './rpc-adapter.ts'

export interface LogFilter {
  readonly addresses: readonly Hex[]
  readonly topics: readonly Hex[]
}

export interface RawReceipt {
  readonly hash: Hex
  readonly blockHash: Hex
  readonly status: 0 | 1
  readonly gasUsed: bigint
}

/** Reads blocks, logs and receipts, and refuses answers that contradict one another. */
export class BlockSource {
  readonly #rpc: RpcClient
  readonly #filter: LogFilter

  constructor(rpc: RpcClient, filter: LogFilter) {
    this.#rpc = rpc
    this.#filter = filter
  }

  async readChainId(): Promise<number> {
    return countOf(await this.#rpc.call('eth_chainId'), 'eth_chainId')
  }

  /** The head and, when asked for, the block that the chain calls final. */
  async readHead(withFinal: boolean): Promise<{ head: Header; finalized: BlockPlace | undefined }> {
    const tags = withFinal ? ['latest', 'finalized'] : ['latest']
    const [latest, finalized] = await this.#rpc.batch(tags.map(blockCall))
    const head = readHeader(latest)
    if (head === undefined) throw chainErrors.incoherent('no latest block')
    return { head, finalized: finalized === undefined ? undefined : readHeader(finalized) }
  }

  /** Headers by number, up to the first that the endpoint does not have. */
  async readHeaders(from: number, to: number): Promise<readonly Header[]> {
    const calls: RpcCall[] = []
    for (let number = from; number <= to; number += 1) calls.push(blockCall(quantity(number)))
    const headers: Header[] = []
    for (const [place, answer] of (await this.#rpc.batch(calls)).entries()) {
      const header = readHeader(answer)
      if (header === undefined) break
      if (header.number !== from + place) throw chainErrors.incoherent(`block ${from + place}`)
      headers.push(header)
    }
    return headers
  }

  /** Our contracts' logs in log order, by block hash; each block is asked for by its hash. */
  async readLogs(headers: readonly Header[]): Promise<ReadonlyMap<Hex, readonly RawLog[]>> {
    const full = headers.filter(({ transactions }) => transactions.length > 0)
    const calls = full.map(({ hash }) => this.#logCall({ blockHash: hash }))
    const answers = calls.length === 0 ? [] : await this.#rpc.batch(calls)
    return new Map(
      full.map(({ hash }, place) => {
        const logs = readLogList(answers[place])
        if (logs.some((log) => log.blockHash !== hash)) {
          throw chainErrors.incoherent(`logs of another block than ${hash}`)
        }
        return [hash, logs.toSorted((a, b) => a.logIndex - b.logIndex)]
      }),
    )
  }

  /**
   * The same with one question for the whole range, for blocks that will not move any more. An
   * endpoint that finds the range too wide is asked block by block.
   */
  async readRange(headers: readonly Header[]): Promise<ReadonlyMap<Hex, readonly RawLog[]>> {
    const [first, last] = [headers.at(0), headers.at(-1)]
    if (first === undefined || last === undefined) return new Map()
    const range = { fromBlock: quantity(first.number), toBlock: quantity(last.number) }
    const call = this.#logCall(range)
    const [answer] = await this.#rpc.answers([call])
    if (answer === undefined || 'refusal' in answer) return await this.readLogs(headers)
    const logs = readLogList(answer.result)
    const hashes = new Set(headers.map(({ hash }) => hash))
    const stray = logs.find((log) => !hashes.has(log.blockHash))
    if (stray !== undefined) throw chainErrors.incoherent(`logs of block ${stray.blockHash}`)
    const sorted = logs.toSorted((a, b) => a.logIndex - b.logIndex)
    return Map.groupBy(sorted, ({ blockHash }) => blockHash)
  }

  /** Receipts of transactions that the blocks list. */
  async readReceipts(hashes: readonly Hex[]): Promise<readonly RawReceipt[]> {
    if (hashes.length === 0) return []
    const calls = hashes.map((hash) => ({ method: 'eth_getTransactionReceipt', params: [hash] }))
    const answers = await this.#rpc.batch(calls)
    return answers.map((answer, place) => {
      const receipt = readReceipt(answer)
      if (receipt?.hash !== hashes[place] || receipt === undefined) {
        throw chainErrors.incoherent(`no receipt of ${hashes[place]}`)
      }
      return receipt
    })
  }

  #logCall(where: Readonly<Record<string, string>>): RpcCall {
    const { addresses, topics } = this.#filter
    return { method: 'eth_getLogs', params: [{ ...where, address: addresses, topics: [topics] }] }
  }
}

function blockCall(block: string): RpcCall {
  return { method: 'eth_getBlockByNumber', params: [block, false] }
}

function readHeader(value: unknown): Header | undefined {
  if (!isJsonObject(value)) return undefined
  const { transactions } = value
  return {
    number: countOf(value['number'], 'block.number'),
    hash: hashOf(value['hash'], 'block.hash'),
    parentHash: hashOf(value['parentHash'], 'block.parentHash'),
    timestamp: countOf(value['timestamp'], 'block.timestamp'),
    transactions: Array.isArray(transactions)
      ? transactions.map((hash) => hashOf(hash, 'transaction'))
      : [],
  }
}

function readLogList(value: unknown): readonly RawLog[] {
  if (!Array.isArray(value)) throw chainErrors.incoherent('eth_getLogs is no list')
  return value.map(readLog)
}

function readLog(value: unknown): RawLog {
  if (!isJsonObject(value) || value['removed'] === true) throw chainErrors.incoherent('a lost log')
  const topics: unknown = value['topics']
  return {
    blockHash: hashOf(value['blockHash'], 'log.blockHash'),
    transactionHash: hashOf(value['transactionHash'], 'log.transactionHash'),
    logIndex: countOf(value['logIndex'], 'log.logIndex'),
    address: addressOf(value['address'], 'log.address'),
    topics: Array.isArray(topics) ? topics.map((topic) => hashOf(topic, 'log.topic')) : [],
    data: hexOf(value['data'], 'log.data'),
  }
}

function readReceipt(value: unknown): RawReceipt | undefined {
  if (!isJsonObject(value)) return undefined
  return {
    hash: hashOf(value['transactionHash'], 'receipt.transactionHash'),
    blockHash: hashOf(value['blockHash'], 'receipt.blockHash'),
    status: quantityOf(value['status'], 'receipt.status') === 1n ? 1 : 0,
    gasUsed: quantityOf(value['gasUsed'], 'receipt.gasUsed'),
  }
}
