import { setTimeout as sleep } from 'node:timers/promises'
import { parseBlock, type BlockSummary } from './anvil-rpc.ts'

const RECONNECT_MS = 200

/** Tells of each new block over a WebSocket, so that an idle chain costs nothing. */
export class HeadFeed {
  readonly #url: string
  readonly #onHead: (block: BlockSummary) => void
  readonly #onOpen: () => void
  #socket: WebSocket | undefined
  #closed = false

  /** `onOpen` is called with each subscription, since blocks before it were not told of. */
  constructor(rpcUrl: string, onHead: (block: BlockSummary) => void, onOpen: () => void) {
    this.#url = rpcUrl.replace(/^http/, 'ws')
    this.#onHead = onHead
    this.#onOpen = onOpen
  }

  /** Resolves when the subscription stands. */
  async open(): Promise<void> {
    const socket = new WebSocket(this.#url)
    this.#socket = socket
    await new Promise<void>((resolve) => {
      socket.addEventListener('open', () => {
        socket.send(
          JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_subscribe', params: ['newHeads'] }),
        )
      })
      socket.addEventListener('message', (event) => {
        resolve()
        this.#read(event.data)
      })
      socket.addEventListener('close', () => {
        resolve()
        void this.#reopen()
      })
    })
  }

  close(): void {
    this.#closed = true
    this.#socket?.close()
  }

  async #reopen(): Promise<void> {
    await sleep(RECONNECT_MS)
    if (!this.#closed) await this.open()
  }

  #read(data: unknown): void {
    const message: unknown = JSON.parse(String(data))
    if (typeof message !== 'object' || message === null) return
    if ('result' in message) this.#onOpen()
    if (!('params' in message)) return
    const { params } = message
    if (typeof params !== 'object' || params === null || !('result' in params)) return
    const block = parseBlock(params.result)
    if (block !== undefined) this.#onHead(block)
  }
}
