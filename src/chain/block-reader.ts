import type { Database } from '#platform/db/pool.ts'
import { BlockSource, type LogQuery, type LogsByBlock } from './block-source-adapter.ts'
import type { Header, IndexedLog, OwnReceipt, RawLog } from './block.ts'
import type { Decoders } from './decoders.ts'
import { chainErrors } from './errors.ts'
import type { Hex } from './hex.ts'
import type { RpcClient } from './rpc-adapter.ts'
import { findOwnKeys, type NewBlock } from './store.ts'

export interface BlockReaderOptions {
  readonly rpc: RpcClient
  readonly query: LogQuery
  readonly decoders: Decoders
  readonly database: Database
}

/** `odd` says which log of our own contracts cannot be read. */
export type ReadBlocks = { readonly blocks: readonly NewBlock[] } | { readonly odd: string }

/** Reads everything about blocks that the node keeps. */
export class BlockReader {
  readonly #options: BlockReaderOptions

  constructor(options: BlockReaderOptions) {
    this.#options = options
  }

  /** `isFar`: the blocks will not move any more, so that their logs may be read by number. */
  async read(source: BlockSource, headers: readonly Header[], isFar: boolean): Promise<ReadBlocks> {
    const logs = await (isFar ? source.readRange(headers) : source.readLogs(headers))
    await this.#requireComplete(source, headers, logs)
    const receipts = await this.#readReceipts(source, headers)
    const blocks: NewBlock[] = []
    for (const { transactions: _, bloom: _bloom, ...header } of headers) {
      const decoded = this.#decode(logs.get(header.hash) ?? [])
      if (typeof decoded === 'string') return { odd: decoded }
      blocks.push({ header, logs: decoded, receipts: receipts.get(header.hash) ?? [] })
    }
    return { blocks }
  }

  /** Where a bloom promises logs and there are none, somebody else must say the same. */
  async #requireComplete(
    source: BlockSource,
    headers: readonly Header[],
    logs: LogsByBlock,
  ): Promise<void> {
    const suspects = source.findSuspects(headers, logs)
    if (suspects.length === 0) return
    const found = await this.#askAnother(source, suspects)
    const [missed] = found.keys()
    if (missed !== undefined) throw chainErrors.incoherent(`block ${missed} has logs`)
  }

  async #askAnother(source: BlockSource, headers: readonly Header[]): Promise<LogsByBlock> {
    const { rpc, query } = this.#options
    const other = rpc.line(new Set([source.name]))
    if (other === undefined) return await source.readLogs(headers)
    try {
      return await new BlockSource(other, query).readLogs(headers)
    } catch {
      return await source.readLogs(headers)
    }
  }

  #decode(logs: readonly RawLog[]): readonly IndexedLog[] | string {
    const decoded: IndexedLog[] = []
    for (const raw of logs) {
      const event = this.#options.decoders.decode(raw)
      if (event === 'odd') {
        return `log ${raw.logIndex} of block ${raw.blockHash} at ${raw.address} cannot be read`
      }
      if (event !== 'foreign') decoded.push({ raw, event })
    }
    return decoded
  }

  /** Receipts of the node's own transactions, by block, so that reverts are seen. */
  async #readReceipts(
    source: BlockSource,
    headers: readonly Header[],
  ): Promise<ReadonlyMap<Hex, OwnReceipt[]>> {
    const listed = headers.flatMap(({ transactions }) => transactions)
    const keys = await findOwnKeys(this.#options.database, listed)
    const byBlock = new Map<Hex, OwnReceipt[]>()
    if (keys.size === 0) return byBlock
    const found = new Map(
      (await source.readReceipts([...keys.keys()])).map((one) => [one.hash, one]),
    )
    for (const { hash: blockHash, transactions } of headers) {
      const own = transactions.toSorted().flatMap((hash) => found.get(hash) ?? [])
      if (own.some((receipt) => receipt.blockHash !== blockHash)) {
        throw chainErrors.incoherent(`receipts of another block than ${blockHash}`)
      }
      byBlock.set(
        blockHash,
        own.map(({ hash, status, gasUsed }) => {
          return { hash, status, gasUsed, requestKey: keys.get(hash) ?? '' }
        }),
      )
    }
    return byBlock
  }
}
