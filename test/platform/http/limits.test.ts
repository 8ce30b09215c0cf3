import { describe, expect, it } from 'vitest'
import { Limits, readAllowances } from '#platform/http/limits.ts'

describe('readAllowances', () => {
  it('reads requests and seconds of each bucket', () => {
    expect(readAllowances(['orders=600000/60', 'read=5/1'])).toEqual({
      orders: { requests: 600_000, windowSeconds: 60 },
      read: { requests: 5, windowSeconds: 1 },
    })
  })

  it('leaves the others as they are', async () => {
    const limits = new Limits(readAllowances(['read=2/60']))
    expect(await limits.take('read', 'caller')).toMatchObject({
      'ratelimit-policy': '"read";q=2;w=60',
    })
    expect(await limits.take('write', 'caller')).toMatchObject({
      'ratelimit-policy': '"write";q=6000;w=60',
    })
  })
})
