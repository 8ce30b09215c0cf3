import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

export interface ChildReport {
  readonly type: 'progress' | 'done' | 'failed' | 'crashed'
  readonly seeds?: number
  readonly orders?: number
  readonly trades?: number
  readonly batches?: number
  readonly withdrawals?: number
  readonly crashes?: number
  readonly reorgs?: number
  readonly cancels?: number
  readonly halts?: number
  readonly resumes?: number
  readonly holds?: number
  readonly reverts?: number
  readonly byHand?: number
  readonly tornOff?: number
  readonly seedsPerSecond?: number
  readonly seed?: number
  readonly invariant?: string
  readonly detail?: string
  readonly replay?: string
}

const HOOKS = new URL('./hooks.ts', import.meta.url).href
const RUN = new URL('./run.ts', import.meta.url).pathname

/**
 * Runs seeds in a process of their own, whose modules see the simulated world; answers its reports,
 * the last of them `crashed` when the process ended before it was done.
 */
export async function runSeeds(
  args: readonly string[],
  options: {
    readonly fault?: string
    readonly heard?: (line: string, kill: () => void) => void
  } = {},
): Promise<readonly ChildReport[]> {
  const { fault = process.env['SIMULATION_FAULT'] ?? '', heard } = options
  const child = spawn(process.execPath, ['--import', HOOKS, RUN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, SIMULATION_FAULT: fault },
  })
  const closed = once(child, 'close')
  const reports: ChildReport[] = []
  let complaints = ''
  child.stderr.on('data', (text: Buffer) => (complaints += text.toString()))
  for await (const line of createInterface({ input: child.stdout })) {
    heard?.(line, () => void child.kill('SIGKILL'))
    if (line.startsWith('{')) reports.push(JSON.parse(line) as ChildReport)
  }
  const [code, signal]: unknown[] = await closed
  const isDone = code === 0 && reports.at(-1)?.type === 'done'
  if (!isDone && !reports.some(({ type }) => type === 'failed'))
    reports.push({ type: 'crashed', detail: `code ${code}, signal ${signal}\n${complaints}` })
  return reports
}

/** The report of the seed that failed, or of the process that could not run. */
export function failureIn(reports: readonly ChildReport[]): ChildReport | undefined {
  return reports.find(({ type }) => type === 'failed' || type === 'crashed')
}
