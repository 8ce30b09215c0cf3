import type { Log } from '#platform/log.ts'
import type { BlockPlace } from './block.ts'
import type { BlockSource } from './block-source-adapter.ts'
import type { BlockSources } from './block-sources.ts'
import { sharedFinal } from './finality.ts'

/** An endpoint that answers; `final` is undefined where it calls nothing final. */
interface Voice {
  readonly source: BlockSource
  readonly final: number | undefined
}

/** A claim, and what came of asking the others about it. */
interface Judgement {
  readonly name: string
  readonly claimed: BlockPlace
  readonly number: number | undefined
  readonly atMs: number
}

/** Where the others hold a claim back they are asked again after this time, not in each turn. */
const RECHECK_MS = 1000

/**
 * The block that counts as final where the chain's own word decides: as far as the endpoints agree
 * (`sharedFinal`), and only while all that hold a block there hold the same one. Endpoints that do
 * not answer have no say.
 */
export class FinalWord {
  readonly #sources: BlockSources
  readonly #log: Log
  #last: Judgement | undefined

  constructor({ sources, log }: { readonly sources: BlockSources; readonly log: Log }) {
    this.#sources = sources
    this.#log = log
  }

  /**
   * A block number, at most the one that `source` claims; undefined while
   * nothing is certain.
   */
  async settle(source: BlockSource, claimed: BlockPlace): Promise<number | undefined> {
    const others = this.#sources.othersThan(source).filter(({ isSilent }) => !isSilent)
    if (others.length === 0) return claimed.number
    const { name } = source
    const atMs = performance.now()
    const last = this.#last?.name === name ? this.#last : undefined
    if (last !== undefined && isStillGood(last, claimed, atMs)) return last.number
    const number = await this.#judge(source, others, claimed.number)
    this.#last = { name, claimed, number, atMs }
    return number
  }

  async #judge(
    source: BlockSource,
    others: readonly BlockSource[],
    claimed: number,
  ): Promise<number | undefined> {
    const asked = await Promise.all(others.map((other) => this.#ask(other)))
    const voices = asked.filter((voice) => voice !== undefined)
    const claims = voices.flatMap(({ final }) => final ?? [])
    const number = sharedFinal(claimed, claims)
    const held = [source, ...voices.map((voice) => voice.source)]
    return (await this.#isShared(held, number)) ? number : undefined
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

/** What all agreed to needs no second question; what they held back is asked again now and then. */
function isStillGood(last: Judgement, claimed: BlockPlace, nowMs: number): boolean {
  if (last.number === last.claimed.number) return last.claimed.hash === claimed.hash
  const isBelow = last.number === undefined || last.number <= claimed.number
  return isBelow && nowMs - last.atMs < RECHECK_MS
}
