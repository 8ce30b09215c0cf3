import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { isRunning, ownMark, type ProcessMark } from './process-identity.ts'

/**
 * Keeps a second process out of a folder while the first lives. A claim of a process that was
 * killed is void, so nobody has to clean up by hand.
 */
export class FolderClaim {
  readonly #file: string
  #isHeld = false

  constructor(file: string) {
    this.#file = file
  }

  /** Takes the claim; answers the pid of the process that holds it, or undefined on success. */
  take(): number | undefined {
    for (;;) {
      if (this.#create()) {
        this.#isHeld = true
        return undefined
      }
      const holder = this.#holder()
      if (holder !== undefined && isRunning(holder)) return holder.pid
      rmSync(this.#file, { force: true })
    }
  }

  /** Gives up what `take` won; the claim of another process stays. */
  release(): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    rmSync(this.#file, { force: true })
  }

  #create(): boolean {
    try {
      writeFileSync(this.#file, JSON.stringify(ownMark()), { flag: 'wx', mode: 0o600 })
      return true
    } catch (error) {
      if (hasCode(error, 'EEXIST')) return false
      throw error
    }
  }

  #holder(): ProcessMark | undefined {
    try {
      const value: unknown = JSON.parse(readFileSync(this.#file, 'utf8'))
      return isMark(value) ? value : undefined
    } catch {
      return undefined
    }
  }
}

/** Whether a value carries the pid and start mark of a process. */
function isMark(value: unknown): value is ProcessMark {
  if (typeof value !== 'object' || value === null) return false
  if (!('pid' in value) || !('started' in value)) return false
  return typeof value.pid === 'number' && typeof value.started === 'string'
}

/** Whether a system call failed with this code (`ENOENT`, `EEXIST`, …). */
function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
