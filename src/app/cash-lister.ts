import type { AssetsService } from '#assets/service.ts'
import type { LedgerModule } from '#ledger/module.ts'
import type { LedgerService } from '#ledger/service.ts'
import type { Health, Service } from '#platform/lifecycle.ts'
import type { Log } from '#platform/log.ts'
import { Loop } from '#platform/scheduler.ts'

const INTERVAL_MS = 50
const CASH_ASSET = 0

export interface Cash {
  readonly symbol: string
  /** In the ledger. */
  readonly decimals: number
  /** `0x…` */
  readonly token: string
}

/** Makes cash, asset 0, known as soon as the engine of this process leads. */
export class CashLister implements Service {
  readonly name = 'cash-lister'
  readonly #ledger: LedgerModule
  readonly #loop: Loop
  #listed = false

  constructor(options: {
    readonly ledger: LedgerModule
    readonly assets: AssetsService
    readonly cash: Cash
    readonly log: Log
  }) {
    const { ledger, assets, cash, log } = options
    this.#ledger = ledger
    this.#loop = new Loop({
      name: this.name,
      intervalMs: INTERVAL_MS,
      run: async () => {
        if (this.#listed || !ledger.sequencer.isReady()) return
        await listCash({ ledger: ledger.service, assets }, cash)
        this.#listed = true
      },
      log,
    })
  }

  async start(): Promise<void> {
    await this.#loop.start()
  }

  async stop(): Promise<void> {
    await this.#loop.stop()
  }

  health(): Health {
    if (this.#listed) return { ok: true }
    const engine = this.#ledger.sequencer.health()
    if (engine.ok && !this.#ledger.sequencer.isReady()) return engine
    return { ok: false, detail: 'cash is not listed yet' }
  }
}

/** Makes cash, asset 0, known to assets and ledger; a second time changes nothing. */
async function listCash(
  node: { readonly ledger: LedgerService; readonly assets: AssetsService },
  cash: Cash,
): Promise<void> {
  const { symbol, decimals, token } = cash
  await node.assets.ensureCash({ symbol, name: `${symbol} cash`, decimals, token })
  const known = await node.ledger.findAsset(CASH_ASSET)
  if (known !== undefined && known.token !== null) return
  await node.ledger.submit({
    type: 'list_asset',
    asset: CASH_ASSET,
    symbol,
    decimals,
    external: true,
    token: token.toLowerCase(),
  })
}
