import { styleText } from 'node:util'

/** Where a command writes what a person reads; the log goes elsewhere. */
export class Terminal {
  readonly #out: NodeJS.WritableStream

  constructor(out: NodeJS.WritableStream = process.stdout) {
    this.#out = out
  }

  line(text = ''): void {
    this.#out.write(`${text}\n`)
  }

  title(text: string): void {
    this.line(styleText('bold', text))
  }

  /** Runs one step and prints its name, what came of it and how long it took. */
  async step<T>(name: string, work: () => Promise<T>, describe: (result: T) => string): Promise<T> {
    const startedAt = performance.now()
    const result = await work()
    const seconds = `${((performance.now() - startedAt) / 1000).toFixed(1)} s`
    this.line(
      `  ${styleText('green', '✓')} ${name.padEnd(10)} ${describe(result)}  ${styleText('dim', seconds)}`,
    )
    return result
  }

  fail(message: string): void {
    process.stderr.write(`${styleText('red', '✗', { stream: process.stderr })} ${message}\n`)
  }
}

/**
 * A reader that has seen enough, such as `head`, is no failure: the command goes on to its end, so
 * that nothing stays half done, and what it says from here on is for nobody.
 */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  }
}
