import { setImmediate as nextTurn } from 'node:timers/promises'

interface GatheringOptions<K, V> {
  /** Finds many at once, by name; what is missing there was not found. */
  readonly find: (keys: readonly K[]) => Promise<ReadonlyMap<string, V>>
  /** Equal for equal keys and for them alone. */
  readonly nameOf: (key: K) => string
}

/** More keys than this go in several questions. */
const MOST_KEYS = 512
/** While so many questions are on their way, further keys gather. */
const MOST_RUNNING = 2

interface Asked<K, V> {
  readonly key: K
  readonly answer: PromiseWithResolvers<V | undefined>
}

/**
 * Turns many lookups of one row into few of many: what callers ask in one turn of the event loop,
 * or while earlier questions are on their way, goes in one. Each key is looked up after it was asked.
 */
export class Gathering<K, V> {
  readonly #options: GatheringOptions<K, V>
  #waiting = new Map<string, Asked<K, V>>()
  #running = 0
  #isDue = false

  constructor(options: GatheringOptions<K, V>) {
    this.#options = options
  }

  /** Throws what the question threw that carried the key. */
  async find(key: K): Promise<V | undefined> {
    const name = this.#options.nameOf(key)
    const asked = this.#waiting.get(name) ?? { key, answer: Promise.withResolvers() }
    this.#waiting.set(name, asked)
    if (!this.#isDue) void this.#ask()
    return await asked.answer.promise
  }

  async #ask(): Promise<void> {
    this.#isDue = true
    await nextTurn()
    this.#isDue = false
    while (this.#running < MOST_RUNNING && this.#waiting.size > 0) void this.#run(this.#take())
  }

  #take(): ReadonlyMap<string, Asked<K, V>> {
    const all = [...this.#waiting]
    this.#waiting = new Map(all.slice(MOST_KEYS))
    return new Map(all.slice(0, MOST_KEYS))
  }

  async #run(batch: ReadonlyMap<string, Asked<K, V>>): Promise<void> {
    this.#running += 1
    try {
      const found = await this.#options.find([...batch.values()].map(({ key }) => key))
      for (const [name, { answer }] of batch) answer.resolve(found.get(name))
    } catch (error) {
      for (const { answer } of batch.values()) answer.reject(error)
    } finally {
      this.#running -= 1
    }
    if (this.#waiting.size > 0 && !this.#isDue) void this.#ask()
  }
}
