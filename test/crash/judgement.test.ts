import { describe, expect, it } from 'vitest'
import { meaningOf } from './answer.ts'
import { FAIL_POINT_NAMES } from './failpoint.ts'
import { findUntold, type Acknowledged } from './judgement.ts'
import { planKills, ROUND_LENGTH } from './plan.ts'

const USER = 'one@example.com'
const OWN: readonly Acknowledged[] = [
  { kind: 'withdrawal', user: USER, id: 'wd_1', key: 'first' },
  { kind: 'order', user: USER, id: 'ord_1', key: 'second' },
  { kind: 'cancel', user: USER, id: 'ord_1', key: '' },
]

describe('the judgement of the crash test', () => {
  it('finds a withdrawal that was carried out twice under another id', () => {
    const stored = [{ id: 'wd_1' }, { id: 'wd_2' }]
    expect(findUntold('withdrawal', OWN, stored, new Set())).toEqual([
      'withdrawal wd_2 exists and nobody was told of it',
    ])
  })

  it('finds an order that nobody was told of', () => {
    const stored = [{ id: 'ord_1' }, { id: 'wd_1' }]
    expect(findUntold('order', OWN, stored, new Set())).toEqual([
      'order wd_1 exists and nobody was told of it',
    ])
  })

  it('leaves alone what was there before the first request', () => {
    const stored = [{ id: 'wd_0' }, { id: 'wd_1' }]
    expect(findUntold('withdrawal', OWN, stored, new Set(['wd_0']))).toEqual([])
  })

  it('asks again after what may pass, and only then', () => {
    expect(meaningOf('order', 503, 'platform.unavailable')).toBe('again')
    expect(meaningOf('order', 503, 'platform.fenced')).toBe('again')
    expect(meaningOf('withdrawal', 409, 'platform.idempotency_running')).toBe('again')
    expect(meaningOf('order', 503, 'ledger.journal_broken')).toBe('wrong')
  })

  it('calls wrong whatever a right node does not answer', () => {
    expect(meaningOf('order', 201, undefined)).toBe('done')
    expect(meaningOf('order', 422, 'ledger.insufficient_funds')).toBe('refused')
    expect(meaningOf('cancel', 409, 'trading.order_terminal')).toBe('refused')
    expect(meaningOf('order', 500, 'platform.internal')).toBe('wrong')
    expect(meaningOf('order', 502, undefined)).toBe('wrong')
    expect(meaningOf('order', 409, 'trading.order_exists')).toBe('wrong')
    expect(meaningOf('cancel', 404, 'trading.order_not_found')).toBe('wrong')
    expect(meaningOf('withdrawal', 422, 'platform.idempotency_mismatch')).toBe('wrong')
  })

  it('plans an end at every fail point but the relay’s in each round', () => {
    const wanted = FAIL_POINT_NAMES.filter((name) => name !== 'relay_unpositioned')
    expect(planKills(ROUND_LENGTH)).toEqual(expect.arrayContaining(wanted))
  })
})
