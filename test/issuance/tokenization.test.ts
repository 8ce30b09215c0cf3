import { describe, expect, it } from 'vitest'
import {
  nextMove,
  TOKENIZATION_STEPS,
  type TokenizationFacts,
  type TokenizationPlace,
} from '#issuance/tokenization.ts'

const NOTHING: TokenizationFacts = {
  creation: undefined,
  creationError: null,
  isListed: false,
  supply: undefined,
  supplyError: null,
  lacksReserve: false,
}

/** Plays the world: each move changes the facts as the real one does. */
function play(killAfterMove: boolean): readonly string[] {
  let place: TokenizationPlace = 'create_asset'
  let facts = NOTHING
  const moves: string[] = []
  for (let turn = 0; turn < 40 && place !== 'done'; turn += 1) {
    const move = nextMove(place, facts)
    if (move.type !== 'wait') moves.push(move.type === 'enter' ? move.step : move.type)
    const before = facts
    if (move.type === 'request_creation') facts = { ...facts, creation: 'requested' }
    if (move.type === 'propose_supply') facts = { ...facts, supply: 'proposed' }
    // A kill between a move and its record leaves the place, never the facts.
    if (killAfterMove && facts !== before) continue
    if (move.type === 'enter') place = move.step
    if (move.type === 'finish') place = 'done'
    if (move.type === 'wait') {
      if (!facts.isListed) facts = { ...facts, isListed: true }
      else facts = { ...facts, supply: facts.supply === 'proposed' ? 'batched' : 'final' }
    }
  }
  return moves
}

describe('a tokenization', () => {
  it('creates the asset, waits for the listing, mints and ends', () => {
    expect(play(false)).toEqual([
      'request_creation',
      'list_asset',
      'supply_batch',
      'propose_supply',
      'final',
      'finish',
    ])
  })

  it('makes the same moves when it is killed after each of them', () => {
    expect(play(true)).toEqual(play(false))
  })

  it('fails at the step whose transaction fails, and says why', () => {
    const failed = { ...NOTHING, creation: 'failed', creationError: 'Refused' } as const
    expect(nextMove('list_asset', failed)).toEqual({
      type: 'fail',
      step: 'list_asset',
      error: 'Refused',
    })
    const reverted = {
      ...NOTHING,
      isListed: true,
      supply: 'failed',
      supplyError: 'Ceiling',
    } as const
    for (const step of ['supply_batch', 'final'] as const) {
      expect(nextMove(step, reverted)).toEqual({ type: 'fail', step, error: 'Ceiling' })
    }
  })

  it('rests at its end whatever the facts say', () => {
    for (const place of ['done', 'failed'] as const) {
      expect(nextMove(place, { ...NOTHING, supply: 'final', isListed: true }).type).toBe('wait')
    }
    expect(TOKENIZATION_STEPS).toHaveLength(4)
  })
})
