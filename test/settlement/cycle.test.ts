import { describe, expect, it } from 'vitest'
import { nextStep, type CycleView } from '#settlement/cycle.ts'

const IDLE: CycleView = {
  status: 'running',
  open: undefined,
  isSupplyReady: false,
  isDue: false,
  hasTransfers: false,
  canCover: false,
  isHeartbeatDue: false,
  isExitWaiting: false,
}

describe('the settler', () => {
  it('rests when nothing is to do', () => {
    expect(nextStep(IDLE)).toBe('rest')
    expect(nextStep({ ...IDLE, isDue: true })).toBe('rest')
    expect(nextStep({ ...IDLE, hasTransfers: true })).toBe('rest')
  })

  it('nets when transfers wait and the interval ran out', () => {
    expect(nextStep({ ...IDLE, hasTransfers: true, isDue: true })).toBe('net')
  })

  it('has one unmined batch at a time', () => {
    const open = { kind: 'trade', status: 'submitted', progress: 'sent', isLast: true } as const
    const view = { ...IDLE, open, hasTransfers: true, isDue: true, isSupplyReady: true }
    expect(nextStep(view)).toBe('rest')
  })

  it('follows the transaction of the open batch', () => {
    const open = { kind: 'trade', status: 'netted', progress: 'waiting', isLast: true } as const
    expect(nextStep({ ...IDLE, open })).toBe('rest')
    expect(nextStep({ ...IDLE, open: { ...open, progress: 'sent' } })).toBe('mark_submitted')
  })

  it('halts on a refused or reverted trade batch and abandons a supply batch', () => {
    for (const progress of ['refused', 'reverted'] as const) {
      const open = { kind: 'trade', status: 'submitted', progress, isLast: true } as const
      expect(nextStep({ ...IDLE, open })).toBe('halt')
      expect(nextStep({ ...IDLE, open: { ...open, kind: 'heartbeat' } })).toBe('halt')
      expect(nextStep({ ...IDLE, open: { ...open, kind: 'supply' } })).toBe('abandon')
      // Another batch names its head, so it cannot give up its place.
      expect(nextStep({ ...IDLE, open: { ...open, kind: 'supply', isLast: false } })).toBe('halt')
    }
  })

  it('waits for an operator while halted, yet follows what is on its way', () => {
    const busy = {
      ...IDLE,
      status: 'halted',
      isDue: true,
      hasTransfers: true,
      canCover: true,
    } as const
    expect(nextStep({ ...busy, isSupplyReady: true, isHeartbeatDue: true })).toBe('rest')
    const open = { kind: 'supply', status: 'netted', progress: 'sent', isLast: true } as const
    expect(nextStep({ ...busy, open })).toBe('mark_submitted')
    const reverted = {
      kind: 'trade',
      status: 'reverted',
      progress: 'reverted',
      isLast: true,
    } as const
    expect(nextStep({ ...busy, open: reverted })).toBe('rest')
  })

  it('covers and changes supply without waiting for the interval', () => {
    expect(nextStep({ ...IDLE, canCover: true, isSupplyReady: true })).toBe('cover')
    expect(nextStep({ ...IDLE, isSupplyReady: true })).toBe('send_supply')
  })

  it('beats after a day, with what there is to settle', () => {
    expect(nextStep({ ...IDLE, isHeartbeatDue: true })).toBe('heartbeat')
    expect(nextStep({ ...IDLE, isHeartbeatDue: true, hasTransfers: true })).toBe('net')
  })
})
