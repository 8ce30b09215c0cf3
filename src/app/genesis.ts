import { setTimeout as sleep } from 'node:timers/promises'
import { present } from '#kernel/assert.ts'
import type { Node } from './compose.ts'
import { appErrors } from './errors.ts'

const CASH_ASSET = 0
const PATIENCE_MS = 60_000
const POLL_MS = 25

export interface Cash {
  readonly symbol: string
  /** In the ledger. */
  readonly decimals: number
  /** `0x…` */
  readonly token: string
}

/** Makes cash, asset 0, known to assets and ledger; a second time changes nothing. */
export async function listCash(node: Node, cash: Cash): Promise<void> {
  const { symbol, decimals, token } = cash
  await node.ledger.sequencer.whenReady()
  await node.assets.ensureCash({ symbol, name: `${symbol} cash`, decimals, token })
  const known = await node.ledger.service.findAsset(CASH_ASSET)
  if (known !== undefined && known.token !== null) return
  await node.ledger.service.submit({
    type: 'list_asset',
    asset: CASH_ASSET,
    symbol,
    decimals,
    external: true,
    token: token.toLowerCase(),
  })
}

/** Resolves when every service is healthy; throws what is not after a minute. */
export async function waitUntilReady(node: Node): Promise<void> {
  for (let waitedMs = 0; waitedMs < PATIENCE_MS; waitedMs += POLL_MS) {
    const sick = Object.entries(node.registry.health()).filter(([, { ok }]) => !ok)
    if (sick.length === 0) return
    if (waitedMs + POLL_MS >= PATIENCE_MS) {
      const [name, health] = present(sick[0], 'an unhealthy service')
      throw appErrors.not_ready(`${name}: ${health.detail ?? 'not healthy'}`)
    }
    await sleep(POLL_MS)
  }
}
