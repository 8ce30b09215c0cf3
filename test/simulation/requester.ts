import { AppError } from '#kernel/errors.ts'
import type { NodeProcess } from './node.ts'
import type { World } from './world.ts'

export interface RequesterOptions {
  readonly world: World
  /** A process of the node that lives and takes requests. */
  readonly anyNode: () => NodeProcess | undefined
}

/** What came of one request; `lost` when nobody answered in time. */
export type Answer<T> = { readonly value: T } | { readonly error: unknown } | 'lost'

/** What came of asking until it was known; refusals count as known. */
export type Outcome<T> =
  { readonly value: T } | { readonly refused: string; readonly isDoubtful: boolean }

const PATIENCE_MS = 2500
const UNKNOWN = new Set([
  'platform.unavailable',
  'platform.fenced',
  'platform.idempotency_running',
  'ledger.duplicate_command',
])

/** Carries requests of people to the node, over a network that may lose the answers. */
export class Requester {
  readonly #options: RequesterOptions

  constructor(options: RequesterOptions) {
    this.#options = options
  }

  /** Runs what a person does; a failure that is no refusal ends the simulation. */
  run(task: () => Promise<void>, done: () => void = () => undefined): void {
    task().then(done, (error: unknown) => {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
      this.#options.world.violate('requests are answered as declared', text)
    })
  }

  /** Asks until the outcome is known. */
  async insist<T>(
    request: (node: NodeProcess) => Promise<T>,
    answered: (value: T) => void = () => undefined,
  ): Promise<Outcome<T>> {
    let isDoubtful = false
    for (;;) {
      const answer = await this.ask(request, answered)
      if (answer !== 'lost') {
        if ('value' in answer) return answer
        const { error } = answer
        if (!(error instanceof AppError)) throw error
        if (!UNKNOWN.has(error.code)) return { refused: error.code, isDoubtful }
      }
      isDoubtful = true
      await this.rest(this.#options.world.between(20, 300))
    }
  }

  /** Asks once: the value, undefined when the outcome is not known, or one of `refusals`. */
  async tryOnce<T>(
    request: (node: NodeProcess) => Promise<T>,
    refusals: readonly string[] = [],
  ): Promise<T | undefined> {
    const answer = await this.ask(request)
    if (answer === 'lost') return undefined
    if ('value' in answer) return answer.value
    const { error } = answer
    const isDeclared =
      error instanceof AppError && (UNKNOWN.has(error.code) || refusals.includes(error.code))
    if (!isDeclared) throw error
    this.#options.world.trace('refused', () => `${error.code} ${error.detail}`)
    return undefined
  }

  ask<T>(
    request: (node: NodeProcess) => Promise<T>,
    answered: (value: T) => void = () => undefined,
  ): Promise<Answer<T>> {
    const { world, anyNode } = this.#options
    const { promise, resolve } = Promise.withResolvers<Answer<T>>()
    const node = anyNode()
    if (node === undefined) {
      world.later(10, () => resolve('lost'))
      return promise
    }
    const { process } = node
    world.later(PATIENCE_MS, () => resolve('lost'))
    world.schedule(
      0.2,
      () => {
        request(node).then(
          (value) => {
            if (!process.isAlive) return
            answered(value)
            world.later(0.2, () => resolve({ value }))
          },
          (error: unknown) => {
            if (process.isAlive) world.later(0.2, () => resolve({ error }))
          },
        )
      },
      process,
    )
    return promise
  }

  rest(ms: number): Promise<void> {
    return new Promise((resolve) => this.#options.world.later(ms, resolve))
  }
}
