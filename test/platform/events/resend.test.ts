import { describe, expect, it } from 'vitest'
import { decideResend, type ResendRequest } from '#platform/events/resend.ts'

const request = (fields: Partial<ResendRequest> = {}): ResendRequest => ({
  group: 'a',
  after: 4n,
  position: 4n,
  isKept: true,
  ...fields,
})
const REST_MS = 1000
const decide = (
  requests: readonly ResendRequest[],
  state?: { sentUpTo: bigint; until: bigint; atMs: number },
) => decideResend(requests, state, 5000, REST_MS)

describe('decideResend', () => {
  it('goes back at once the first time', () => {
    expect(decide([request()])).toEqual({ goBack: true, settled: ['a'], lost: [] })
  })

  it('does nothing without requests', () => {
    expect(decide([])).toEqual({ goBack: false, settled: [], lost: [] })
  })

  it.each([
    ['has moved on', request({ position: 5n })],
    ['is gone', request({ position: undefined })],
  ])('forgets the request of a group that %s', (_case, old) => {
    expect(decide([old])).toEqual({ goBack: false, settled: ['a'], lost: [] })
  })

  it('names groups that lack what nobody has, and serves the others', () => {
    const lost = request({ group: 'b', after: 1n, position: 1n, isKept: false })
    expect(decide([request(), lost])).toEqual({ goBack: true, settled: ['a', 'b'], lost: ['b'] })
  })

  it('keeps a request while it is busy with the last one or rests', () => {
    const waits = { goBack: false, settled: [], lost: [] }
    expect(decide([request()], { sentUpTo: 8n, until: 9n, atMs: 0 })).toEqual(waits)
    expect(decide([request()], { sentUpTo: 9n, until: 9n, atMs: 4001 })).toEqual(waits)
    expect(decide([request()], { sentUpTo: 9n, until: 9n, atMs: 4000 })).toMatchObject({
      goBack: true,
    })
  })
})
