import type { Config, NodeRole } from '#platform/config.ts'
import { appErrors } from './errors.ts'

/** Commands go from these to the engine; where one process plays all of them, none leaves it. */
const BOUND: readonly NodeRole[] = ['engine', 'api', 'settler']

const WILDCARDS = new Set(['0.0.0.0', '::', '[::]'])

/** Throws `app.setting_missing` where other processes would be told an address that is none. */
function requireReachableEngine(config: Config): void {
  const { roles, internalToken, internalHost, advertisedHost } = config
  const isTold = roles.includes('engine') && internalToken !== undefined
  if (!isTold || advertisedHost !== undefined || !WILDCARDS.has(internalHost)) return
  throw appErrors.setting_missing(
    `set ADVERTISED_HOST: other processes cannot reach the engine at ${internalHost}`,
  )
}

/** Throws `app.setting_missing` where commands go to another process and nothing proves whose. */
function requireInternalToken({ roles, internalToken }: Config): void {
  const played = BOUND.filter((role) => roles.includes(role))
  const isSplit = played.length > 0 && played.length < BOUND.length
  if (!isSplit || internalToken !== undefined) return
  throw appErrors.setting_missing(
    `set INTERNAL_TOKEN to the same secret in every process: ${BOUND.join(', ')} are not all played by this one`,
  )
}

/** Throws `app.setting_missing` where the processes of a split node could not work together. */
export function requireSplitSettings(config: Config): void {
  requireInternalToken(config)
  requireReachableEngine(config)
}

/** Why a process is of no use while another one leads; undefined where it can send commands there. */
export function lonelyStandby({ internalToken }: Config): string | undefined {
  if (internalToken !== undefined) return undefined
  return 'another process leads and this one cannot send it commands: set INTERNAL_TOKEN to the same secret in both'
}
