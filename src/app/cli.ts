import { AppError } from '#kernel/errors.ts'
import { ConfigError, loadConfig, readEnvironment } from '#platform/config.ts'
import { describeFailure } from '#platform/lifecycle.ts'
import { appErrors } from './errors.ts'
import { outliveReaders, Terminal } from './terminal.ts'
import type { CliContext, Command } from './command.ts'
import { BACKUP_COMMANDS } from './backup/backup-commands.ts'
import { ACCOUNT_COMMANDS } from './account-commands.ts'
import { CONSUMER_COMMANDS } from './consumer-commands.ts'
import { EVENT_COMMANDS } from './event-commands.ts'
import { readFlags } from './flags.ts'
import { KEYSTORE_COMMANDS } from './keystore-commands.ts'
import { NODE_COMMANDS } from './node-commands.ts'
import { SANDBOX_COMMANDS } from './sandbox/sandbox-commands.ts'

const COMMANDS: readonly Command[] = [
  ...SANDBOX_COMMANDS,
  ...NODE_COMMANDS,
  ...BACKUP_COMMANDS,
  ...EVENT_COMMANDS,
  ...CONSUMER_COMMANDS,
  ...ACCOUNT_COMMANDS,
  ...KEYSTORE_COMMANDS,
]

/** Runs one command line; returns the exit code. Every failure is one clear line, never a stack. */
export async function runCli(argv: readonly string[]): Promise<number> {
  outliveReaders()
  const terminal = new Terminal()
  try {
    if (argv.length === 0 || argv.includes('--help') || argv[0] === 'help') {
      printHelp(terminal)
      return 0
    }
    const command = findCommand(argv)
    const rest = argv.slice(command.name.split(' ').length)
    if (command.usage === command.name) readFlags(rest, {}, command.usage)
    const context: CliContext = { config: loadConfig(readEnvironment()), terminal, argv: rest }
    return await command.run(context)
  } catch (error) {
    terminal.fail(explain(error))
    return 1
  }
}

function findCommand(argv: readonly string[]): Command {
  const command = COMMANDS.find(
    ({ name }) => name === argv.slice(0, name.split(' ').length).join(' '),
  )
  if (command !== undefined) return command
  throw appErrors.usage(`unknown command: ${argv.join(' ')}. See: npm run cli -- help`)
}

function explain(error: unknown): string {
  if (error instanceof ConfigError || error instanceof AppError) return describeFailure(error)
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}

function printHelp(terminal: Terminal): void {
  terminal.title('Mooring moors real-world assets to a chain')
  terminal.line()
  const width = Math.max(...COMMANDS.map(({ usage }) => usage.length))
  for (const { usage, summary } of COMMANDS) terminal.line(`  ${usage.padEnd(width)}  ${summary}`)
  terminal.line()
  terminal.line('Settings are environment variables; `config` prints them with their meaning.')
}
