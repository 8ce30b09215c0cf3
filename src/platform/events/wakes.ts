/** Tells readers in this process that a stream has grown, so that they need not wait for a poll. */
export class Wakes {
  readonly #listeners = new Map<string, Set<() => void>>()

  wake(stream: string): void {
    for (const listener of this.#listeners.get(stream) ?? []) listener()
  }

  /** Returns the function that ends the subscription. */
  listen(stream: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(stream) ?? new Set()
    this.#listeners.set(stream, listeners.add(listener))
    return () => listeners.delete(listener)
  }
}
