import type { Config, NodeRole } from '#platform/config.ts'
import { appErrors } from './errors.ts'

/** Commands go from these to the engine; where one process plays all of them, none leaves it. */
const BOUND: readonly NodeRole[] = ['engine', 'api', 'settler']

/** Throws `app.setting_missing` where commands go to another process and nothing proves whose. */
export function requireInternalToken({ roles, internalToken }: Config): void {
  const played = BOUND.filter((role) => roles.includes(role))
  const isSplit = played.length > 0 && played.length < BOUND.length
  if (!isSplit || internalToken !== undefined) return
  throw appErrors.setting_missing(
    `set INTERNAL_TOKEN to the same secret in every process: ${BOUND.join(', ')} are not all played by this one`,
  )
}
