import { describe, expect, it } from 'vitest'
import { feesFor, gasLimitFor, MAX_TRANSACTION_GAS } from '#chain/gas.ts'
import { nextNonce } from '#chain/nonce.ts'
import { isPassing, isRevert, judgeSend, RpcRefusal } from '#chain/rpc-refusal.ts'
import { isSendDue, judgeSimulation, stateAfter } from '#chain/tx.ts'

const refusal = (message: string, code = -32_000, data?: string) =>
  new RpcRefusal({ method: 'eth_call', code, message, data })

describe('the state of a transaction', () => {
  it('follows the indexed chain', () => {
    const mined = { status: 1, isFinal: false } as const
    expect(stateAfter('broadcast', mined)).toBe('mined')
    expect(stateAfter('signed', mined)).toBe('mined')
    expect(stateAfter('held', mined)).toBe('mined')
    expect(stateAfter('mined', { status: 1, isFinal: true })).toBe('final')
    expect(stateAfter('mined', { status: 0, isFinal: false })).toBe('mined')
    expect(stateAfter('mined', { status: 0, isFinal: true })).toBe('reverted')
  })

  it('steps back when its block was retracted', () => {
    expect(stateAfter('mined', undefined)).toBe('broadcast')
    expect(stateAfter('broadcast', undefined)).toBe('broadcast')
    expect(stateAfter('held', undefined)).toBe('held')
  })

  it('never leaves an end', () => {
    for (const state of ['final', 'reverted', 'rejected'] as const) {
      expect(stateAfter(state, { status: 0, isFinal: false })).toBe(state)
      expect(isSendDue(state, undefined, 0)).toBe(false)
    }
  })
})

describe('a simulation', () => {
  it('rejects only where nothing of the signer is on its way', () => {
    const reverted = { type: 'reverted', reason: 'EnforcedPause()' } as const
    expect(judgeSimulation(reverted, 0)).toEqual({ type: 'reject', reason: 'EnforcedPause()' })
    expect(judgeSimulation(reverted, 1).type).toBe('wait')
  })

  it('waits when the endpoint fails', () => {
    expect(judgeSimulation({ type: 'unknown', reason: 'x' }, 0).type).toBe('wait')
    expect(judgeSimulation({ type: 'succeeded', gas: 5n }, 3)).toEqual({ type: 'sign', gas: 5n })
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
    expect(nextNonce(12, 9)).toBe(12)
  })

  it('adds a fifth within the caps', () => {
    expect(gasLimitFor(100_000n, undefined)).toBe(120_000n)
    expect(gasLimitFor(100_000n, 110_000n)).toBe(110_000n)
    expect(gasLimitFor(100_001n, 100_000n)).toBeUndefined()
    expect(gasLimitFor(MAX_TRANSACTION_GAS + 1n, undefined)).toBeUndefined()
  })

  it('waits above the ceiling', () => {
    expect(feesFor(10n, 2n)).toEqual({ maxFeeWei: 22n, priorityFeeWei: 2n })
    expect(feesFor(10n, 2n, 21n)).toBeUndefined()
  })
})
