import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { at, isBody, rows, text, type Body } from './body.ts'

/** What a script says to a person when it cannot go on. */
export class ScriptFailure extends Error {
  override readonly name = 'ScriptFailure'
}

export interface SandboxAccess {
  readonly api: string
  readonly rpc: string
  readonly market: string
  readonly users: readonly Body[]
}

/** Reads the file that a running sandbox wrote; `path` defaults to the one of MOORING_HOME. */
export function readSandbox(path?: string): SandboxAccess {
  const file = path ?? join(process.env['MOORING_HOME'] ?? '.mooring', 'sandbox.json')
  if (!existsSync(file))
    throw new ScriptFailure(`there is no ${file}: start the sandbox first, with \`npm start\``)
  const facts: unknown = JSON.parse(readFileSync(file, 'utf8'))
  return {
    api: text(facts, 'api'),
    rpc: text(facts, 'rpc'),
    market: text(facts, 'market'),
    users: rows(facts, 'users'),
  }
}

/** A demo user by role and place among those of the role. */
export function userOf({ users }: SandboxAccess, role: string, place = 0): Body {
  const found = users.filter((user) => user['role'] === role)[place]
  if (found === undefined)
    throw new ScriptFailure(`the sandbox has no user ${place} of role ${role}`)
  return found
}

/** Throws with advice when the node of `api` does not answer as ready. */
export async function requireReady(api: string): Promise<void> {
  const advice = `no ready node at ${api}: start the sandbox with \`npm start\` and wait until it is ready`
  try {
    const response = await fetch(`${api}/readyz`)
    const state: unknown = await response.json()
    if (response.ok) return
    const services = at(state, 'services')
    const failing = Object.entries(isBody(services) ? services : {}).filter(
      ([, health]) => at(health, 'ok') !== true,
    )
    throw new ScriptFailure(`${advice} (not ready: ${failing.map(([name]) => name).join(', ')})`)
  } catch (error) {
    if (error instanceof ScriptFailure) throw error
    throw new ScriptFailure(advice, { cause: error })
  }
}
