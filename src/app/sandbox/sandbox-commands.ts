import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createLog } from '#platform/log.ts'
import type { Command } from '../command.ts'
import { appErrors } from '../errors.ts'
import { SandboxGround } from './ground.ts'
import { runSandbox } from './sandbox.ts'

const KAFKA_SCRIPT = fileURLToPath(new URL('../../../scripts/kafka.mjs', import.meta.url))

/** The broker of `npm run kafka:up` keeps its data below the home. */
function requireNoBroker(): void {
  if (spawnSync(process.execPath, [KAFKA_SCRIPT, 'status']).status !== 0) return
  throw appErrors.broker_running(
    'Kafka runs on data of this sandbox; run `npm run kafka:down` first',
  )
}

const reset: Command['run'] = async ({ config, terminal }) => {
  requireNoBroker()
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
