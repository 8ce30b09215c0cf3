import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { platformErrors } from '../errors.ts'
import type { RateBucket } from './route.ts'

export interface Allowance {
  readonly requests: number
  readonly windowSeconds: number
}

/** Per principal and bucket, or per address where there is no principal. */
export const DEFAULT_ALLOWANCES: Readonly<Record<RateBucket, Allowance>> = {
  public: { requests: 12_000, windowSeconds: 60 },
  login: { requests: 120, windowSeconds: 60 },
  read: { requests: 12_000, windowSeconds: 60 },
  write: { requests: 6000, windowSeconds: 60 },
  orders: { requests: 120_000, windowSeconds: 60 },
}

export type Allowances = Partial<Record<RateBucket, Allowance>>

/** Reads `bucket=requests/seconds`, whose form the configuration has checked. */
export function readAllowances(texts: readonly string[]): Allowances {
  const entries = texts.map((text) => {
    const [bucket = '', amounts = ''] = text.split('=')
    const [requests, windowSeconds] = amounts.split('/').map(Number)
    return [bucket, { requests, windowSeconds }]
  })
  return Object.fromEntries(entries)
}

/** Counts requests in the memory of this process. */
export class Limits {
  readonly #limiters = new Map<RateBucket, { limiter: RateLimiterMemory; allowance: Allowance }>()

  constructor(allowances: Allowances = {}) {
    for (const bucket of ['public', 'login', 'read', 'write', 'orders'] as const) {
      const allowance = allowances[bucket] ?? DEFAULT_ALLOWANCES[bucket]
      const { requests: points, windowSeconds: duration } = allowance
      const limiter = new RateLimiterMemory({ keyPrefix: bucket, points, duration })
      this.#limiters.set(bucket, { limiter, allowance })
    }
  }

  /**
   * Counts one request and returns the headers that tell how many are left (draft
   * ietf-httpapi-ratelimit-headers). Throws `platform.rate_limited`.
   */
  async take(bucket: RateBucket, caller: string): Promise<Record<string, string>> {
    const known = this.#limiters.get(bucket)
    if (known === undefined) return {}
    const { requests, windowSeconds } = known.allowance
    const state = await consume(known.limiter, caller)
    const waitSeconds = Math.ceil(state.msBeforeNext / 1000)
    if (state.consumedPoints > requests) {
      throw platformErrors.rate_limited(`${requests} requests in ${windowSeconds} s are allowed`, {
        retryAfterSeconds: Math.max(1, waitSeconds),
      })
    }
    return {
      'ratelimit-policy': `"${bucket}";q=${requests};w=${windowSeconds}`,
      ratelimit: `"${bucket}";r=${state.remainingPoints};t=${waitSeconds}`,
    }
  }
}

/** The library rejects with the same state that it resolves with. */
async function consume(limiter: RateLimiterMemory, caller: string): Promise<RateLimiterRes> {
  try {
    return await limiter.consume(caller)
  } catch (refusal) {
    if (refusal instanceof RateLimiterRes) return refusal
    throw refusal
  }
}
