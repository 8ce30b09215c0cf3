import type { Command } from './command.ts'
import type { CommandForwarder } from './forward-adapter.ts'
import type { Sequencer } from './sequencer.ts'
import type { CommandResult, CommandSink, SubmitOptions } from './submission.ts'

/** Commands go to the engine of this process while it leads, else to the process that does. */
export class LeadingSink implements CommandSink {
  readonly #sequencer: Sequencer
  readonly #forwarder: CommandForwarder | undefined

  /** Without a forwarder every command is for the own engine. */
  constructor(sequencer: Sequencer, forwarder: CommandForwarder | undefined) {
    this.#sequencer = sequencer
    this.#forwarder = forwarder
  }

  async submit<C extends Command>(command: C, options?: SubmitOptions): Promise<CommandResult> {
    if (this.#forwarder === undefined || this.#sequencer.isReady())
      return await this.#sequencer.submit(command, options)
    return await this.#forwarder.submit(command, options)
  }
}
