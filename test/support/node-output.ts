import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

const KEPT_LINES = 4000

/** What the processes of a node print; the oldest lines are forgotten. */
export class NodeOutput {
  readonly #kept: string[] = []
  #printed = 0

  /** Takes whole lines, however the stream cuts them; `heard` gets each of them. */
  follow(stream: Readable, heard: (line: string) => void): void {
    createInterface(stream).on('line', (line) => {
      if (line === '') return
      this.#kept.push(line)
      this.#printed += 1
      if (this.#kept.length > KEPT_LINES) this.#kept.shift()
      heard(line)
    })
  }

  /** How many lines there were so far, the forgotten ones among them. */
  get printed(): number {
    return this.#printed
  }

  /** The lines after the first `printed` ones, oldest first. */
  after(printed: number): readonly string[] {
    return this.#kept.slice(Math.max(0, this.#kept.length - (this.#printed - printed)))
  }

  /** The newest lines, oldest first. */
  newest(count: number): readonly string[] {
    return this.#kept.slice(-count)
  }
}
