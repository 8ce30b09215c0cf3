import { setTimeout as sleep } from 'node:timers/promises'
import { present } from '#kernel/assert.ts'
import type { Node } from './compose.ts'
import { appErrors } from './errors.ts'

const CASH = { asset: 0, symbol: 'USD', name: 'US dollar', decimals: 6 } as const
const PATIENCE_MS = 60_000
const POLL_MS = 25

/** Makes cash, asset 0, known to assets and ledger; a second time changes nothing. */
export async function listCash(node: Node, cashToken: string): Promise<void> {
  const { asset, symbol, name, decimals } = CASH
  await node.ledger.sequencer.whenReady()
  await node.assets.ensureCash({ symbol, name, decimals, token: cashToken })
  const known = await node.ledger.service.findAsset(asset)
  if (known?.token !== null && known !== undefined) return
  await node.ledger.service.submit({
    type: 'list_asset',
    asset,
    symbol,
    decimals,
    external: true,
    token: cashToken.toLowerCase(),
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
