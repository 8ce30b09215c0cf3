import { setTimeout as sleep } from 'node:timers/promises'
import { present } from '#kernel/assert.ts'
import type { Node } from './compose.ts'
import { appErrors } from './errors.ts'

const PATIENCE_MS = 60_000
const POLL_MS = 25

/** Resolves when every service is healthy; throws what is not after a minute, or that it is to stop. */
export async function waitUntilReady(node: Node, signal: AbortSignal): Promise<void> {
  for (let waitedMs = 0; waitedMs < PATIENCE_MS; waitedMs += POLL_MS) {
    if (signal.aborted) throw appErrors.stopped()
    const sick = Object.entries(node.registry.health()).filter(([, { ok }]) => !ok)
    if (sick.length === 0) return
    if (waitedMs + POLL_MS >= PATIENCE_MS) {
      const [name, health] = present(sick[0], 'an unhealthy service')
      throw appErrors.not_ready(`${name}: ${health.detail ?? 'not healthy'}`)
    }
    await sleep(POLL_MS)
  }
}
