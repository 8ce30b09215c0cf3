import type { Log } from '#platform/log.ts'
import type { BlockPlace } from './block.ts'
import type { BlockSource } from './block-source-adapter.ts'
import type { BlockSources } from './block-sources.ts'

/** An endpoint that answers, and the block that it calls final, if there is one. */
interface Voice {
  readonly source: BlockSource
  readonly final: number | undefined
}

/**
 * The block that counts as final where the chain's own word decides: of what the endpoints call
 * final the lowest, and only while all of them hold the same block there. Endpoints that do not
 * answer have no say.
 */
export class FinalWord {
  readonly #sources: BlockSources
  readonly #log: Log
  /** The last claim that all agreed to, and whose it was. */
  #agreed: { readonly name: string; readonly hash: string } | undefined

  constructor({ sources, log }: { readonly sources: BlockSources; readonly log: Log }) {
    this.#sources = sources
    this.#log = log
  }

  /** A block number, at most the one that `source` claims; undefined while nothing is certain. */
  async settle(source: BlockSource, claimed: BlockPlace): Promise<number | undefined> {
    const others = this.#sources.othersThan(source)
    const { name } = source
    const isAgreed = this.#agreed?.name === name && this.#agreed.hash === claimed.hash
    if (others.length === 0 || isAgreed) return claimed.number
    const asked = await Promise.all(others.map((other) => this.#ask(other)))
    const voices = asked.filter((voice) => voice !== undefined)
    const number = Math.min(claimed.number, ...voices.flatMap(({ final }) => final ?? []))
    if (!(await this.#isShared([source, ...voices.map((voice) => voice.source)], number))) {
      return undefined
    }
    if (number === claimed.number) this.#agreed = { name, hash: claimed.hash }
    return number
  }

  async #ask(source: BlockSource): Promise<Voice | undefined> {
    try {
      await this.#sources.checkChain(source)
      const { finalized } = await source.readHead(true)
      return { source, final: finalized?.number }
    } catch {
      return undefined
    }
  }

  /** Whether all that have a block `number` have the same one. */
  async #isShared(sources: readonly BlockSource[], number: number): Promise<boolean> {
    const found = sources.map((source) => source.readHeaders(number, number).catch(() => []))
    const hashes = new Set((await Promise.all(found)).flat().map(({ hash }) => hash))
    if (hashes.size > 1) {
      this.#log.warn({ event: 'chain.final_disputed', block: number, hashes: [...hashes] })
    }
    return hashes.size === 1
  }
}
