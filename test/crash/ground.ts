/** What a sandbox stands on, as processes of this machine that can be ended from outside. */
import { execFileSync } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import {
  findProcesses,
  isRunning,
  sendSignal,
  type ProcessMark,
} from '#platform/process-identity.ts'
import { until } from '../support/client.ts'
import type { Sandbox } from '../support/sandbox.ts'

export type Support = 'postgres' | 'anvil'

/** The one process whose death is that of the support; undefined while there is none. */
export function mainProcess(sandbox: Sandbox, support: Support): ProcessMark | undefined {
  const [found] = findProcesses(support === 'postgres' ? socketOf(sandbox) : cacheOf(sandbox))
  return found
}

/** Ends the support with all its workers at once. */
export async function killSupport(sandbox: Sandbox, support: Support): Promise<ProcessMark> {
  const main = await until(`a running ${support}`, async () => mainProcess(sandbox, support))
  const workers = childrenOf(main.pid)
  for (const pid of [main.pid, ...workers]) sendSignal(pid, 'SIGKILL')
  await until(`the end of ${support}`, async () => !isRunning(main))
  return main
}

/** Resolves when the launcher has put another process in its place. */
export async function untilReplaced(sandbox: Sandbox, support: Support): Promise<void> {
  await until(`another ${support}`, async () => mainProcess(sandbox, support) !== undefined)
}

function childrenOf(parent: number): readonly number[] {
  return execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([pid, ppid]) => (pid !== undefined && ppid === parent ? [pid] : []))
}

/** Its own folder for each sandbox, which the server's command line names. */
function socketOf(sandbox: Sandbox): string {
  const folder = new URL(sandbox.database).searchParams.get('host')
  if (folder === null) throw new TypeError('the database is not one of the sandbox')
  return folder
}

function cacheOf(sandbox: Sandbox): string {
  return join(realpathSync(sandbox.home), 'chain', 'cache')
}
