import type { Config } from '#platform/config.ts'
import type { Terminal } from './terminal.ts'

export interface CliContext {
  readonly config: Config
  readonly terminal: Terminal
  /** What follows the command's name. */
  readonly argv: readonly string[]
}

/** One command of the command line. `run` returns the exit code. */
export interface Command {
  readonly name: string
  /** The name with its flags; where it is the name alone, nothing may follow. */
  readonly usage: string
  readonly summary: string
  readonly run: (context: CliContext) => Promise<number>
}
