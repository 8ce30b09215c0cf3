import { describe, expect, it } from 'vitest'
import { claimOfClientOrder, claimOfKey, Claims, claimsOf } from '#ledger/claim.ts'

const entry = { scope: 'usr_1', operation: 'POST /v1/orders', key: 'k' }

describe('the names that commands claim', () => {
  it('are its key and those that it brings', () => {
    const idempotency = { ...entry, inputHash: new Uint8Array(), resource: 'r' }
    const client = claimOfClientOrder(16, 'mine')
    expect(claimsOf({ idempotency, claims: [client] })).toEqual([claimOfKey(entry), client])
    expect(claimsOf({})).toEqual([])
    expect(claimOfClientOrder(16n, 'mine')).toBe(client)
  })

  it('lead a repetition to the batch of the first bearer, then to what is durable', () => {
    const claims = new Claims<string>()
    const waiting: string[] = []
    expect(claims.find(['a'])).toBeUndefined()
    claims.take(['a', 'b'], waiting)
    expect(claims.find(['c', 'b'])).toBe(waiting)
    claims.keep(['a', 'b'], 0)
    expect(claims.find(['b'])).toBe('durable')
    expect(claims.find(['c'])).toBeUndefined()
  })

  it('are known for a minute at least, and forgotten after two', () => {
    const claims = new Claims<string>(['old'])
    claims.keep(['first'], 0)
    claims.keep(['second'], 59_999)
    claims.keep([], 60_000)
    expect(['old', 'first', 'second'].map((name) => claims.find([name]))).toEqual(
      Array.from({ length: 3 }, () => 'durable'),
    )
    claims.keep(['third'], 120_000)
    expect(claims.find(['first'])).toBeUndefined()
    expect(claims.find(['third'])).toBe('durable')
  })
})
