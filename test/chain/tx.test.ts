import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bumpFees, gasLimitFor, marketFees, MAX_TRANSACTION_GAS } from '#chain/gas.ts'
import { nextNonce, nonceUseOf } from '#chain/nonce.ts'
import { isPassing, isRevert, judgeSend, RpcRefusal } from '#chain/rpc-refusal.ts'
import { judgeRequest } from '#chain/tx-step.ts'
import { isSendDue, stateAfter } from '#chain/tx.ts'

const refusal = (message: string, code = -32_000, data?: string) =>
  new RpcRefusal({ method: 'eth_call', code, message, data })

describe('the state of a transaction', () => {
  it('follows the indexed chain', () => {
    const mined = { kind: 'intent', status: 1, isFinal: false } as const
    expect(stateAfter('broadcast', mined)).toBe('mined')
    expect(stateAfter('signed', mined)).toBe('mined')
    expect(stateAfter('held', mined)).toBe('mined')
    expect(stateAfter('mined', { ...mined, isFinal: true })).toBe('final')
    expect(stateAfter('mined', { ...mined, status: 0 })).toBe('mined')
    expect(stateAfter('mined', { ...mined, status: 0, isFinal: true })).toBe('reverted')
  })

  it('steps back when its block was retracted', () => {
    expect(stateAfter('mined', undefined)).toBe('broadcast')
    expect(stateAfter('broadcast', undefined)).toBe('broadcast')
    expect(stateAfter('held', undefined)).toBe('held')
  })

  it('is cancelled only when the payment that cancels it is final', () => {
    const paid = { kind: 'cancel', status: 1, isFinal: false } as const
    expect(stateAfter('cancelling', paid, true)).toBe('cancelling')
    expect(stateAfter('cancelling', { ...paid, isFinal: true }, true)).toBe('cancelled')
    expect(stateAfter('cancelling', { ...paid, kind: 'intent' }, true)).toBe('mined')
    expect(stateAfter('mined', undefined, true)).toBe('cancelling')
    expect(stateAfter('mined', paid, true)).toBe('cancelling')
  })

  it('never leaves an end', () => {
    for (const state of ['final', 'reverted', 'rejected', 'cancelled'] as const) {
      expect(stateAfter(state, { kind: 'intent', status: 0, isFinal: false })).toBe(state)
      expect(isSendDue(state, undefined, 0)).toBe(false)
    }
  })
})

describe('a request without a nonce', () => {
  const market = { maxFeeWei: 10n, priorityFeeWei: 1n }
  const facts = { unmined: 0, gasCap: undefined, market, ceilingWei: 10n }

  it('is rejected only where nothing of the signer is on its way', () => {
    const simulation = { type: 'reverted', reason: 'EnforcedPause()' } as const
    expect(judgeRequest({ ...facts, simulation })).toEqual({
      type: 'reject',
      reason: 'EnforcedPause()',
    })
    expect(judgeRequest({ ...facts, simulation, unmined: 1 }).type).toBe('wait')
  })

  it('waits when the endpoint fails, is held beyond its cap, and is signed otherwise', () => {
    const unknown = { type: 'unknown', reason: 'x' } as const
    expect(judgeRequest({ ...facts, simulation: unknown }).type).toBe('wait')
    const simulation = { type: 'succeeded', gas: 5n } as const
    expect(judgeRequest({ ...facts, simulation, gasCap: 4n }).type).toBe('hold')
    expect(judgeRequest({ ...facts, simulation, unmined: 3 })).toEqual({
      type: 'sign',
      gasLimit: 6n,
      fees: market,
    })
  })

  it('waits for cheaper blocks above the ceiling', () => {
    const simulation = { type: 'succeeded', gas: 5n } as const
    expect(judgeRequest({ ...facts, simulation, ceilingWei: 9n })).toMatchObject({
      type: 'wait',
      isTooDear: true,
    })
  })
})

describe('sending', () => {
  it('is due at once, and again after a while', () => {
    expect(isSendDue('signed', undefined, 500)).toBe(true)
    expect(isSendDue('broadcast', 499, 500)).toBe(false)
    expect(isSendDue('broadcast', 500, 500)).toBe(true)
    expect(isSendDue('mined', undefined, 500)).toBe(false)
  })

  it('reads the wordings of the clients', () => {
    expect(judgeSend(refusal('already known'))).toBe('known')
    expect(judgeSend(refusal('nonce too low: next nonce 5, tx nonce 4'))).toBe('nonce_low')
    expect(judgeSend(refusal('replacement transaction underpriced'))).toBe('underpriced')
    expect(judgeSend(refusal('Insufficient funds for gas * price + value'))).toBe('funds')
    expect(judgeSend(refusal('invalid sender'))).toBe('refused')
  })
})

describe('a refusal', () => {
  it('is a revert by code, data or words, unless the endpoint lacks the state', () => {
    expect(isRevert(refusal('execution reverted', 3))).toBe(true)
    expect(isRevert(refusal('oops', -32_603, '0xd93c0665'))).toBe(true)
    expect(isRevert(refusal('missing trie node', 3))).toBe(false)
    expect(isRevert(refusal('insufficient funds for gas'))).toBe(false)
  })

  it('may pass when the endpoint is busy', () => {
    expect(isPassing(refusal('rate limit reached', -32_005))).toBe(true)
    expect(isPassing(refusal('execution reverted', 3))).toBe(false)
  })
})

describe('nonces and gas', () => {
  it('never reuses a nonce and never leaves a gap', () => {
    expect(nextNonce(0, undefined)).toBe(0)
    expect(nextNonce(7, undefined)).toBe(7)
    expect(nextNonce(7, 9)).toBe(10)
    expect(nextNonce(10, 9)).toBe(10)
  })

  it('takes no nonce behind those of others until theirs are final', () => {
    expect(nextNonce(12, 9)).toBeUndefined()
    expect(nextNonce(12, 9, 9)).toBeUndefined()
    expect(nextNonce(12, 9, 11)).toBeUndefined()
    expect(nextNonce(12, 9, 12)).toBe(12)
    expect(nextNonce(10, 9, 9)).toBe(10)
  })

  it('adds a fifth within the caps', () => {
    expect(gasLimitFor(100_000n, undefined)).toBe(120_000n)
    expect(gasLimitFor(100_000n, 110_000n)).toBe(110_000n)
    expect(gasLimitFor(100_001n, 100_000n)).toBeUndefined()
    expect(gasLimitFor(MAX_TRANSACTION_GAS + 1n, undefined)).toBeUndefined()
  })

  it('tells a nonce that is used for good from one that may come free', () => {
    expect(nonceUseOf(4, { latest: 4, final: 4 })).toBe('free')
    expect(nonceUseOf(4, { latest: 5, final: 4 })).toBe('used')
    expect(nonceUseOf(4, { latest: 5, final: 5 })).toBe('used_final')
  })

  it('pays an eighth more, rounded up, at least the market and at most the ceiling', () => {
    const market = marketFees(10n, 2n)
    expect(market).toEqual({ maxFeeWei: 22n, priorityFeeWei: 2n })
    const last = { maxFeeWei: 81n, priorityFeeWei: 9n }
    expect(bumpFees(last, market, 1000n)).toEqual({ maxFeeWei: 92n, priorityFeeWei: 11n })
    expect(bumpFees(last, { maxFeeWei: 200n, priorityFeeWei: 50n }, 1000n)).toEqual({
      maxFeeWei: 200n,
      priorityFeeWei: 50n,
    })
    expect(bumpFees(last, market, 91n)).toEqual({ maxFeeWei: 91n, priorityFeeWei: 11n })
    expect(bumpFees(last, market, 89n)).toBeUndefined()
  })

  it('replaces only with what nodes take: both fees a tenth higher, and below the ceiling', () => {
    const wei = fc.bigInt({ min: 1n, max: 10n ** 13n })
    fc.assert(
      fc.property(wei, wei, wei, wei, wei, (fee, tip, base, asked, ceilingWei) => {
        const last = { maxFeeWei: fee + tip, priorityFeeWei: tip }
        const fees = bumpFees(last, marketFees(base, asked), ceilingWei)
        if (fees === undefined) return
        expect(fees.maxFeeWei * 10n).toBeGreaterThanOrEqual(last.maxFeeWei * 11n)
        expect(fees.priorityFeeWei * 10n).toBeGreaterThanOrEqual(last.priorityFeeWei * 11n)
        expect(fees.maxFeeWei).toBeLessThanOrEqual(ceilingWei)
        expect(fees.priorityFeeWei).toBeLessThanOrEqual(fees.maxFeeWei)
      }),
    )
  })
})
