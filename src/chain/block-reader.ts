import type { Database } from '#platform/db/pool.ts'
import type { BlockSource } from './block-source-adapter.ts'
import type { Header, IndexedLog, OwnReceipt, RawLog } from './block.ts'
import type { Decoders } from './decoders.ts'
import { chainErrors } from './errors.ts'
import type { Hex } from './hex.ts'
import { findOwnKeys, type NewBlock } from './store.ts'

export interface BlockReaderOptions {
  readonly source: BlockSource
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
  async read(headers: readonly Header[], isFar: boolean): Promise<ReadBlocks> {
    const { source } = this.#options
    const logs = await (isFar ? source.readRange(headers) : source.readLogs(headers))
    const receipts = await this.#readReceipts(headers)
    const blocks: NewBlock[] = []
    for (const { transactions: _, ...header } of headers) {
      const decoded = this.#decode(logs.get(header.hash) ?? [])
      if (typeof decoded === 'string') return { odd: decoded }
      blocks.push({ header, logs: decoded, receipts: receipts.get(header.hash) ?? [] })
    }
    return { blocks }
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
  async #readReceipts(headers: readonly Header[]): Promise<ReadonlyMap<Hex, OwnReceipt[]>> {
    const { source, database } = this.#options
    const keys = await findOwnKeys(
      database,
      headers.flatMap(({ transactions }) => transactions),
    )
    const byBlock = new Map<Hex, OwnReceipt[]>()
    const found = await source.readReceipts([...keys.keys()])
    for (const { hash: blockHash, transactions } of headers) {
      const own = found.filter(({ hash }) => transactions.includes(hash))
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
