import { styleText } from 'node:util'

/** Tells the story: chapters, steps that tick when they are done, and what they came to. */
export class Teller {
  #chapter = 0

  say(line = ''): void {
    process.stdout.write(`${line}\n`)
  }

  title(line: string): void {
    this.say(styleText('bold', line))
  }

  chapter(name: string): void {
    this.#chapter += 1
    this.say()
    this.title(`${this.#chapter}. ${name}`)
  }

  /** Runs one step; prints its line, with what `describe` makes of the result, once it is done. */
  async step<T>(
    line: string,
    work: () => Promise<T>,
    describe?: (result: T) => string,
  ): Promise<T> {
    const begun = performance.now()
    const waits = process.stdout.isTTY
    if (waits) process.stdout.write(`   ${styleText('dim', `… ${line}`)}`)
    try {
      const result = await work()
      const seconds = ((performance.now() - begun) / 1000).toFixed(1)
      const end = describe === undefined ? '' : styleText('cyan', `  ${describe(result)}`)
      if (waits) process.stdout.write('\r\u001b[2K')
      this.say(`   ${styleText('green', '✓')} ${line}${end}  ${styleText('dim', `${seconds} s`)}`)
      return result
    } catch (error) {
      if (waits) process.stdout.write('\r\u001b[2K')
      this.say(`   ${styleText('red', '✗')} ${line}`)
      throw error
    }
  }
}
