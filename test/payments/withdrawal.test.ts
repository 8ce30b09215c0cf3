import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hasFailed, withdrawalId, withdrawalUuid } from '#payments/withdrawal.ts'

describe('the id of a withdrawal', () => {
  it('reads back from the chain as the UUID that it was', () => {
    fc.assert(
      fc.property(fc.uuid(), (uuid) => {
        const id = withdrawalId(uuid)
        expect(id).toHaveLength(66)
        expect(withdrawalUuid(id)).toBe(uuid)
        expect(withdrawalUuid(id.toUpperCase().replace('0X', '0x'))).toBe(uuid)
      }),
    )
  })

  it('of somebody else is not taken for one of ours', () => {
    expect(withdrawalUuid(`0x${'0'.repeat(63)}1`)).toBeUndefined()
    expect(withdrawalUuid('0x12')).toBeUndefined()
  })
})

describe('a withdrawal', () => {
  it('fails only by a final revert or a refusal before a nonce', () => {
    expect(['reverted', 'rejected'].every(hasFailed)).toBe(true)
    expect(['requested', 'signed', 'broadcast', 'mined', 'final', 'held'].some(hasFailed)).toBe(
      false,
    )
  })
})
