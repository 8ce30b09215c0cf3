import { keccak256 } from 'ethers'
import { AppError } from '#kernel/errors.ts'
import { isJsonObject } from '#kernel/json.ts'
import { describeFailure } from '#platform/lifecycle.ts'
import type { BlockPlace, Header, RawLog } from './block.ts'
import { bloomBits, mayHold, type BloomFilter } from './bloom.ts'
import { chainErrors } from './errors.ts'
import { addressOf, countOf, hashOf, hexOf, quantity, quantityOf, type Hex } from './hex.ts'
import { FIRST_SPAN, growSpan, shrinkSpan, stepBlocks, type LogSpan } from './log-span.ts'
import type { RpcCall, RpcLine } from './rpc-adapter.ts'
import { isRangeRefusal, RpcRefusal } from './rpc-refusal.ts'

export interface RawReceipt {
  readonly hash: Hex
  readonly blockHash: Hex
  readonly status: 0 | 1
  readonly gasUsed: bigint
}

/** Logs in log order, by block hash. */
export type LogsByBlock = ReadonlyMap<Hex, readonly RawLog[]>

/** Which logs to ask for, and what the endpoints turned out to serve of them at once. */
export class LogQuery {
  readonly bloom: BloomFilter
  readonly #filter: { readonly address: readonly Hex[]; readonly topics: readonly Hex[][] }
  readonly #spans = new Map<string, LogSpan>()

  constructor(watched: { readonly addresses: readonly Hex[]; readonly topics: readonly Hex[] }) {
    const { addresses, topics } = watched
    this.#filter = { address: addresses, topics: [[...topics]] }
    const bits = (values: readonly Hex[]) =>
      values.map((one) => bloomBits(hexOf(keccak256(one), '')))
    this.bloom = { addresses: bits(addresses), topics: bits(topics) }
  }

  call(where: Readonly<Record<string, string>>): RpcCall {
    return { method: 'eth_getLogs', params: [{ ...where, ...this.#filter }] }
  }

  span(endpoint: string): LogSpan {
    return this.#spans.get(endpoint) ?? FIRST_SPAN
  }

  noteSpan(endpoint: string, span: LogSpan): void {
    this.#spans.set(endpoint, span)
  }
}

/** Reads blocks, logs and receipts of one endpoint, and refuses answers that contradict one another. */
export class BlockSource {
  readonly #line: RpcLine
  readonly #query: LogQuery

  constructor(line: RpcLine, query: LogQuery) {
    this.#line = line
    this.#query = query
  }

  get name(): string {
    return this.#line.name
  }

  /** Its last request failed. */
  get isSilent(): boolean {
    return this.#line.isSilent
  }

  /** How many blocks far below the head to take at once. */
  get farBlocks(): number {
    return stepBlocks(this.#query.span(this.#line.name))
  }

  /** Others are asked before this endpoint for a while. */
  distrust(reason: string): void {
    this.#line.distrust(reason)
  }

  async readChainId(): Promise<number> {
    return await coherent(async () => {
      const [id] = await this.#line.batch([{ method: 'eth_chainId', params: [] }])
      return countOf(id, 'eth_chainId')
    })
  }

  /** The head and, when asked for, the block that the chain calls final. */
  async readHead(withFinal: boolean): Promise<{ head: Header; finalized: BlockPlace | undefined }> {
    const tags = withFinal ? ['latest', 'finalized'] : ['latest']
    return await coherent(async () => {
      const [latest, finalized] = await this.#line.batch(tags.map(blockCall))
      const head = readHeader(latest)
      if (head === undefined) throw chainErrors.incoherent('no latest block')
      this.#line.noteHead(head.number)
      return { head, finalized: finalized === undefined ? undefined : readHeader(finalized) }
    })
  }

  /** Headers by number, up to the first that the endpoint does not have. */
  async readHeaders(from: number, to: number): Promise<readonly Header[]> {
    const calls: RpcCall[] = []
    for (let number = from; number <= to; number += 1) calls.push(blockCall(quantity(number)))
    return await coherent(async () => {
      const headers: Header[] = []
      for (const [place, answer] of (await this.#line.batch(calls)).entries()) {
        const header = readHeader(answer)
        if (header === undefined) break
        if (header.number !== from + place) throw chainErrors.incoherent(`block ${from + place}`)
        headers.push(header)
      }
      return headers
    })
  }

  /** Our contracts' logs; each block is asked for by its hash. */
  async readLogs(headers: readonly Header[]): Promise<LogsByBlock> {
    const full = headers.filter((header) => header.transactions.length > 0 || this.#allows(header))
    if (full.length === 0) return new Map()
    return await coherent(async () => {
      const calls = full.map(({ hash }) => this.#query.call({ blockHash: hash }))
      const answers = await this.#line.batch(calls)
      return this.#verify(
        headers,
        full.flatMap(({ hash }, place) => {
          const logs = readLogList(answers[place])
          if (logs.every((log) => log.blockHash === hash)) return logs
          throw chainErrors.incoherent(`logs of another block than ${hash}`)
        }),
      )
    })
  }

  /**
   * The same with one question for as many blocks as the endpoint likes, for blocks that will not
   * move any more. A single block that is too much by number is asked for by its hash.
   */
  async readRange(headers: readonly Header[]): Promise<LogsByBlock> {
    return await coherent(async () => {
      const logs: RawLog[] = []
      for (let at = 0; at < headers.length;) {
        const part = headers.slice(at, at + this.#query.span(this.#line.name).blocks)
        const found = await this.#askRange(part)
        if (found === undefined) continue
        for (const log of found) logs.push(log)
        at += part.length
      }
      return this.#verify(headers, logs)
    })
  }

  /** Blocks whose bloom promises logs that were not given; a bloom may promise too much. */
  findSuspects(headers: readonly Header[], logs: LogsByBlock): readonly Header[] {
    return headers.filter((header) => this.#allows(header) && !logs.has(header.hash))
  }

  /** Receipts of transactions that the blocks list. */
  async readReceipts(hashes: readonly Hex[]): Promise<readonly RawReceipt[]> {
    if (hashes.length === 0) return []
    const calls = hashes.map((hash) => ({ method: 'eth_getTransactionReceipt', params: [hash] }))
    return await coherent(async () => {
      const answers = await this.#line.batch(calls)
      return answers.map((answer, place) => {
        const receipt = readReceipt(answer)
        if (receipt?.hash !== hashes[place] || receipt === undefined) {
          throw chainErrors.incoherent(`no receipt of ${hashes[place]}`)
        }
        return receipt
      })
    })
  }

  /** Undefined when the endpoint wants a smaller question. */
  async #askRange(headers: readonly Header[]): Promise<readonly RawLog[] | undefined> {
    const { name } = this.#line
    const [first, last] = [headers.at(0), headers.at(-1)]
    if (first === undefined || last === undefined) return []
    const where = { fromBlock: quantity(first.number), toBlock: quantity(last.number) }
    try {
      const [answer] = await this.#line.batch([this.#query.call(where)])
      const logs = readLogList(answer)
      this.#query.noteSpan(name, growSpan(this.#query.span(name), headers.length, logs.length))
      return logs
    } catch (error) {
      const isRefused = error instanceof RpcRefusal
      this.#query.noteSpan(name, shrinkSpan(this.#query.span(name), headers.length))
      if (!isRefused) throw error
      if (headers.length > 1) return undefined
      if (!isRangeRefusal(error)) throw error
      return [...(await this.readLogs(headers)).values()].flat()
    }
  }

  #allows({ bloom }: Header): boolean {
    return bloom !== undefined && mayHold(bloom, this.#query.bloom)
  }

  /** Groups logs by block; they must belong to these blocks and to their blooms. */
  #verify(headers: readonly Header[], logs: readonly RawLog[]): LogsByBlock {
    const byHash = new Map(headers.map((header) => [header.hash, header]))
    const sorted = logs.toSorted((a, b) => a.logIndex - b.logIndex)
    const groups = Map.groupBy(sorted, ({ blockHash }) => blockHash)
    for (const [hash, own] of groups) {
      const header = byHash.get(hash)
      if (header === undefined) throw chainErrors.incoherent(`logs of block ${hash}`)
      if (header.bloom !== undefined && !this.#allows(header)) {
        throw chainErrors.incoherent(`logs that the bloom of block ${hash} excludes`)
      }
      const transactions = new Set(header.transactions)
      const isSound = own.every(
        (log, place) =>
          transactions.has(log.transactionHash) && log.logIndex !== own[place - 1]?.logIndex,
      )
      if (!isSound) throw chainErrors.incoherent(`logs that block ${hash} does not hold`)
    }
    return groups
  }
}

/** An answer that cannot be read is as bad as one that contradicts itself. */
async function coherent<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof AppError || error instanceof RpcRefusal) throw error
    throw chainErrors.incoherent(describeFailure(error), { cause: error })
  }
}

function blockCall(block: string): RpcCall {
  return { method: 'eth_getBlockByNumber', params: [block, false] }
}

function readHeader(value: unknown): Header | undefined {
  if (!isJsonObject(value)) return undefined
  const { transactions, logsBloom } = value
  const isBloom = typeof logsBloom === 'string' && /^0x[\da-f]{512}$/i.test(logsBloom)
  return {
    number: countOf(value['number'], 'block.number'),
    hash: hashOf(value['hash'], 'block.hash'),
    parentHash: hashOf(value['parentHash'], 'block.parentHash'),
    timestamp: countOf(value['timestamp'], 'block.timestamp'),
    transactions: Array.isArray(transactions)
      ? transactions.map((hash) => hashOf(hash, 'transaction'))
      : [],
    ...(isBloom && { bloom: hexOf(logsBloom, 'block.logsBloom') }),
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
