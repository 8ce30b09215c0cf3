import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Names one life of one process: a pid that was given to another program does not match. */
export interface ProcessMark {
  readonly pid: number
  /** Start time as the operating system tells it; compared, never interpreted. */
  readonly started: string
}

interface RunningProcess {
  readonly mark: ProcessMark
  readonly command: string
}

/** The process that has this pid now; undefined when there is none or only its zombie. */
export function findProcess(pid: number): RunningProcess | undefined {
  return process.platform === 'linux' ? readProc(pid) : askPs(pid)
}

/** Every process whose command line holds the text, which should be a path that only it uses. */
export function findProcesses(text: string): readonly ProcessMark[] {
  return listPids().flatMap((pid) => {
    const found = pid === process.pid ? undefined : findProcess(pid)
    return found?.command.includes(text) === true ? [found.mark] : []
  })
}

/** The mark of the calling process. */
export function ownMark(): ProcessMark {
  return findProcess(process.pid)?.mark ?? { pid: process.pid, started: 'unknown' }
}

/** Whether the very process of the mark still runs. */
export function isRunning(mark: ProcessMark): boolean {
  return findProcess(mark.pid)?.mark.started === mark.started
}

/** Sends the signals in order until the process is gone, waiting `patienceMs` after each. */
export async function endProcess(
  mark: ProcessMark,
  signals: readonly NodeJS.Signals[],
  patienceMs: number,
): Promise<void> {
  for (const signal of signals) {
    if (!isRunning(mark)) return
    sendSignal(mark.pid, signal)
    for (let waitedMs = 0; waitedMs < patienceMs && isRunning(mark); waitedMs += 20) await sleep(20)
  }
}

/** Sends a signal; a process that is already gone is no error. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // ESRCH: it ended by itself. EPERM: it is not ours, and the caller sees it running.
  }
}

function listPids(): number[] {
  const names =
    process.platform === 'linux' ? readdirSync('/proc') : ps('-ax', '-o', 'pid=').split('\n')
  return names.map(Number).filter((pid) => Number.isInteger(pid) && pid > 0)
}

function readProc(pid: number): RunningProcess | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The program's name may hold spaces and brackets, so fields are counted after the last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [state, threads, started] = [fields[0], Number(fields[17]), fields[19]]
    // A first thread can be dead while others still hold the ports and files of the process.
    const dead = state === 'X' || (state === 'Z' && threads <= 1)
    if (dead || started === undefined) return undefined
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
    return { mark: { pid, started }, command }
  } catch {
    return undefined
  }
}

function askPs(pid: number): RunningProcess | undefined {
  try {
    const started = ps('-o', 'lstart=', '-p', String(pid)).trim()
    const command = ps('-ww', '-o', 'command=', '-p', String(pid)).trim()
    return { mark: { pid, started }, command }
  } catch {
    return undefined
  }
}

function ps(...options: readonly string[]): string {
  return execFileSync('ps', options, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
}
