import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { isId } from '#kernel/id.ts'
import {
  constantTimeEqual,
  hashPassword,
  newId,
  randomToken,
  sha256,
  verifyPassword,
} from '#platform/crypto.ts'

describe('ids', () => {
  it('are new each time, well-formed and sorted by time', async () => {
    const first = newId('order')
    await new Promise((resolve) => setTimeout(resolve, 3))
    const second = newId('order')
    expect(isId('order', first) && isId('order', second)).toBe(true)
    expect(first < second).toBe(true)
  })
})

describe('passwords', () => {
  it('are recognised, salted, and refused when wrong', async () => {
    const [first, second] = await Promise.all([hashPassword('correct'), hashPassword('correct')])
    expect(first).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
    expect(first).not.toBe(second)
    expect(await verifyPassword('correct', first)).toBe(true)
    expect(await verifyPassword('wrong', first)).toBe(false)
    expect(await verifyPassword('correct', 'no hash')).toBe(false)
  })
})

describe('digests and secrets', () => {
  it('hash parts as one text', () => {
    const expected = createHash('sha256').update('abc').digest('hex')
    expect(sha256('a', Buffer.from('b'), 'c').toString('hex')).toBe(expected)
  })

  it('compare equal only when equal', () => {
    expect(constantTimeEqual('abc', Buffer.from('abc'))).toBe(true)
    expect(constantTimeEqual('abc', 'abcd')).toBe(false)
  })

  it('are random', () => {
    expect(randomToken(32)).toMatch(/^[\w-]{43}$/)
    expect(randomToken(32)).not.toBe(randomToken(32))
  })
})
