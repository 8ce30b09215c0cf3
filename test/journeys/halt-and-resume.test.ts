import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { at, text } from '../../scripts/body.ts'
import { Sandbox, settleAll } from '../support/sandbox.ts'
import { ChainWallet } from '../support/wallet.ts'
import { awaitSettlement, deal, newestTrade, reconciled, untilFinal } from './market-story.ts'

describe('a settlement that reverts', () => {
  let sandbox: Sandbox
  let pauser: ChainWallet

  beforeAll(async () => {
    sandbox = await Sandbox.start()
    await settleAll(sandbox)
    pauser = await ChainWallet.open(sandbox, sandbox.adminKey())
  })

  afterAll(async () => {
    pauser?.close()
    await sandbox?.dispose()
  })

  it('halts settlement, lets trading go on, and goes out again with the same header', async () => {
    await pauser.send('ClearingHouse', 'pause')
    await deal(sandbox, { quantity: '2.00', price: '100.00' })
    const operator = sandbox.client('operator')
    const begun = await operator.post('/v1/settlements')
    const reverted = await awaitSettlement(sandbox, text(begun, 'id'), 'reverted')

    expect(await operator.refusal('POST', '/v1/settlements', { body: {} })).toBe(
      '409 settlement.halted',
    )
    const [, purchase] = await deal(sandbox, { quantity: '1.00', price: '100.50' })
    expect(purchase['status']).toBe('filled')
    expect(at(await newestTrade(sandbox), 'settlement', 'status')).toBe('unsettled')

    const unpaused = await pauser.send('ClearingHouse', 'unpause')
    expect(
      await sandbox.client('investor').refusal('POST', '/v1/settlements/resume', {
        body: { reason: 'I would like my money' },
      }),
    ).toBe('403 platform.forbidden')
    // Whoever resumes is refused as long as the chain is not read to its end.
    await untilFinal(sandbox, unpaused.blockNumber)
    await operator.post('/v1/settlements/resume', { reason: 'unpaused after the drill' })
    const final = await awaitSettlement(sandbox, text(begun, 'id'), 'final')
    expect(final['head']).toBe(reverted['head'])
    expect(final['sequence']).toBe(reverted['sequence'])
    expect(final['tx_hash']).toMatch(/^0x/)

    await settleAll(sandbox)
    expect(at(await newestTrade(sandbox), 'settlement', 'status')).toBe('final')
    await reconciled(sandbox)
  })

  it('has nothing to resume while settlement runs', async () => {
    expect(
      await sandbox.client('operator').refusal('POST', '/v1/settlements/resume', {
        body: { reason: 'nothing happened' },
      }),
    ).toBe('409 settlement.not_halted')
  })
})
