/** What a JSON-RPC endpoint answered instead of a result. */
export class RpcRefusal extends Error {
  override readonly name = 'RpcRefusal'
  readonly method: string
  readonly code: number
  /** Data of a revert, `0x…`. */
  readonly data: string | undefined

  constructor(refusal: {
    readonly method: string
    readonly code: number
    readonly message: string
    readonly data?: string | undefined
  }) {
    super(`${refusal.method}: ${refusal.message}`)
    this.method = refusal.method
    this.code = refusal.code
    this.data = refusal.data
  }
}

const REVERT_CODE = 3
const LIMIT_CODES = new Set([-32005, 429])
const PASSING =
  /rate limit|too many requests|limit exceeded|timed? ?out|try again|temporarily|overloaded|header not found|unknown block|block not found|missing trie node|block.*out ?of ?range|resource not found|state.*(not available|unavailable|pruned)|no backend/i

const THROTTLE = /rate limit|too many requests|request limit|capacity|credits|overloaded/i
/** The wordings of geth, erigon, Alchemy, Infura, QuickNode, Ankr, Chainstack, dRPC and Cloudflare. */
const RANGE =
  /returned more than|block range|range (is )?too|too wide|too large|too many (results|logs|blocks)|(exceeds?|exceeded|limited to).*(range|blocks|results|logs|size)|response size|max(imum)? (block )?(range|results)|log response|query timeout|narrow (down )?your/i
const BATCH =
  /batch.*(too|limit|large|size|exceed)|too many (calls|requests in)|(max|limit).*batch/i

/** Whether the endpoint wants a question for logs over fewer blocks. */
export function isRangeRefusal({ method, message }: RpcRefusal): boolean {
  return method === 'eth_getLogs' && RANGE.test(message)
}

/** Whether the endpoint wants fewer calls in one request. */
export function isBatchRefusal({ message }: RpcRefusal): boolean {
  return BATCH.test(message)
}

/** Whether the endpoint wants fewer requests. */
export function isThrottle(refusal: RpcRefusal): boolean {
  if (isRangeRefusal(refusal) || isBatchRefusal(refusal)) return false
  return LIMIT_CODES.has(refusal.code) || THROTTLE.test(refusal.message)
}

/** Whether the contract refused, as opposed to the endpoint. */
export function isRevert({ code, message, data }: RpcRefusal): boolean {
  if (PASSING.test(message)) return false
  if (code === REVERT_CODE || (data !== undefined && data.length >= 10)) return true
  return /execution reverted|\brevert(ed)?\b/i.test(message)
}

/** Whether the same question may get an answer a little later. */
export function isPassing(refusal: RpcRefusal): boolean {
  if (isRangeRefusal(refusal)) return false
  return isThrottle(refusal) || PASSING.test(refusal.message)
}

/** `known`: the endpoint has it already; `nonce_low`: its nonce is used. */
export type SendVerdict = 'known' | 'nonce_low' | 'nonce_high' | 'underpriced' | 'funds' | 'refused'

/** The wordings of geth, erigon, nethermind, besu, reth and anvil. */
const SEND_WORDINGS: readonly (readonly [SendVerdict, RegExp])[] = [
  [
    'known',
    /already known|known transaction|already imported|alreadyknown|already in (the )?(mem)?pool/i,
  ],
  ['nonce_low', /nonce too low|oldnonce|nonce is too low|invalid nonce.*too low|nonce.*below/i],
  ['nonce_high', /nonce too high|nonce gap|nonce.*too distant|exceeds next nonce/i],
  ['underpriced', /underpriced|fee too low|feetoolow|max ?fee.*less than.*base|gas price.*below/i],
  ['funds', /insufficient funds|insufficient balance|insufficientfunds/i],
]

/** Why an endpoint did not take signed bytes. */
export function judgeSend({ message }: RpcRefusal): SendVerdict {
  return SEND_WORDINGS.find(([, wording]) => wording.test(message))?.[0] ?? 'refused'
}
