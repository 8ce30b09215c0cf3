import type { RpcClient } from '#chain/rpc-adapter.ts'
import type { Health, Service } from '#platform/lifecycle.ts'

/** Closes the connections to the chain after everything that uses them has stopped. */
export class RpcConnections implements Service {
  readonly name = 'chain.connections'
  readonly #rpc: RpcClient

  constructor(rpc: RpcClient) {
    this.#rpc = rpc
  }

  start(): Promise<void> {
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    await this.#rpc.close()
  }

  health(): Health {
    return { ok: true }
  }
}
