import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export interface ChildReport {
  readonly type: 'progress' | 'done' | 'failed' | 'crashed'
  readonly seeds?: number
  readonly seedsPerSecond?: number
  readonly seed?: number
  readonly invariant?: string
  readonly detail?: string
  readonly replay?: string
}

const HOOKS = new URL('./hooks.ts', import.meta.url).href
const RUN = new URL('./run.ts', import.meta.url).pathname

/** Runs seeds in a process of their own, whose modules see the simulated world; answers its reports. */
export async function runSeeds(
  args: readonly string[],
  options: { readonly fault?: string; readonly heard?: (line: string) => void } = {},
): Promise<readonly ChildReport[]> {
  const { fault = '', heard } = options
  const child = spawn(process.execPath, ['--import', HOOKS, RUN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, SIMULATION_FAULT: fault },
  })
  const reports: ChildReport[] = []
  let complaints = ''
  child.stderr.on('data', (text: Buffer) => (complaints += text.toString()))
  for await (const line of createInterface({ input: child.stdout })) {
    heard?.(line)
    if (line.startsWith('{')) reports.push(JSON.parse(line) as ChildReport)
  }
  if (reports.length === 0) reports.push({ type: 'crashed', detail: complaints })
  return reports
}

/** The report of the seed that failed, or of the process that could not run. */
export function failureIn(reports: readonly ChildReport[]): ChildReport | undefined {
  return reports.find(({ type }) => type === 'failed' || type === 'crashed')
}
