import { statSync } from 'node:fs'
import { dirname } from 'node:path'

/** Whether every user of the machine may walk to this path: a folder of root's own stops them. */
export function canEverybodyReach(path: string): boolean {
  for (let here = dirname(path); ; here = dirname(here)) {
    if ((statSync(here).mode & 0o001) === 0) return false
    if (here === dirname(here)) return true
  }
}
