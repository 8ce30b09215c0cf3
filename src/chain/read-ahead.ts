/** A range of blocks of one endpoint that will not move any more. */
interface Stretch {
  readonly endpoint: string
  readonly from: number
  readonly to: number
}

/** One range that is read while the range before it is written. What fails is read again later. */
export class ReadAhead<T> {
  #stretch: Stretch | undefined
  #reading: Promise<T | undefined> = Promise.resolve(undefined)

  /** Begins to read; `read` answers undefined when there is nothing to keep. */
  begin(stretch: Stretch, read: () => Promise<T | undefined>): void {
    this.#stretch = stretch
    this.#reading = read().catch(() => undefined)
  }

  /** What was read of exactly this range, once. */
  async take(stretch: Stretch): Promise<T | undefined> {
    const kept = this.#stretch
    this.#stretch = undefined
    const read = await this.#reading
    this.#reading = Promise.resolve(undefined)
    const isSame =
      kept?.endpoint === stretch.endpoint && kept.from === stretch.from && kept.to === stretch.to
    return isSame ? read : undefined
  }

  /** Waits for a question that is still on its way. */
  async settle(): Promise<void> {
    await this.#reading
  }
}
