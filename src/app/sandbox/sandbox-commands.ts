import { rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { createLog } from '#platform/log.ts'
import type { Command } from '../command.ts'
import { SandboxGround } from './ground.ts'
import { runSandbox } from './sandbox.ts'

const reset: Command['run'] = async ({ config, terminal }) => {
  const ground = new SandboxGround({ config, terminal, log: createLog({ level: 'silent' }) })
  await ground.remove()
  const home = resolve(config.home)
  rmSync(home, { recursive: true, force: true })
  terminal.line(`Cleared ${home}. \`npm start\` makes a new sandbox.`)
  return 0
}

export const SANDBOX_COMMANDS: readonly Command[] = [
  {
    name: 'sandbox',
    usage: 'sandbox',
    summary: 'the whole node on this machine: Postgres, chain, contracts, demo data',
    run: runSandbox,
  },
  { name: 'reset', usage: 'reset', summary: 'delete the sandbox and all its data', run: reset },
]
