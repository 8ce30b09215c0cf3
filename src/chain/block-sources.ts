import { BlockSource, type LogQuery } from './block-source-adapter.ts'
import { chainErrors } from './errors.ts'
import type { RpcClient } from './rpc-adapter.ts'

export interface BlockSourcesOptions {
  readonly rpc: RpcClient
  readonly query: LogQuery
  readonly chainId: number
}

/** The endpoints of one chain, to be read one by one and held against one another. */
export class BlockSources {
  readonly #options: BlockSourcesOptions
  readonly #checked = new Set<string>()

  constructor(options: BlockSourcesOptions) {
    this.#options = options
  }

  /** The best one that was not asked; undefined when all were. */
  except(asked: ReadonlySet<string>): BlockSource | undefined {
    const line = this.#options.rpc.line(asked)
    return line === undefined ? undefined : new BlockSource(line, this.#options.query)
  }

  /** All but one, the best first. */
  othersThan({ name }: BlockSource): readonly BlockSource[] {
    const asked = new Set([name])
    const others: BlockSource[] = []
    for (let next = this.except(asked); next; next = this.except(asked)) {
      asked.add(next.name)
      others.push(next)
    }
    return others
  }

  /** Throws `chain.wrong_chain` for an endpoint of another chain; asks each of them once. */
  async checkChain(source: BlockSource): Promise<void> {
    if (this.#checked.has(source.name)) return
    const { chainId } = this.#options
    const found = await source.readChainId()
    if (found !== chainId) {
      source.distrust(`serves chain ${found}`)
      throw chainErrors.wrong_chain(`chain id ${found} instead of ${chainId}`)
    }
    this.#checked.add(source.name)
  }
}
