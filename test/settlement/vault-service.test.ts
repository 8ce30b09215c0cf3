import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { order } from '../support/commands.ts'
import { startRig, type Rig } from './rig.ts'

const REQUIRED = { code: 'settlement.attestation_required' }

describe('a vault that demands what this node does not do', () => {
  let rig: Rig

  beforeEach(async () => {
    rig = await startRig()
  })

  afterEach(async () => rig.stop())

  async function trade(): Promise<void> {
    const { sequencer } = rig.engine
    await sequencer.submit(order({ account: 16, side: 'sell', price: 100, quantity: 5 }))
    await sequencer.submit(order({ account: 17, side: 'buy', price: 100, quantity: 5 }))
  }

  const batches = async () =>
    await rig.settlement.service.listBatches({ after: undefined, limit: 50 })

  async function figure(): Promise<string | undefined> {
    const figures = await rig.engine.metrics.render()
    return /^mooring_settlement_capped_assets \d+$/m.exec(figures)?.[0]
  }

  it('gets no batch that it would refuse, and the node is not ready and says why', async () => {
    const { chain, settlement, settler } = rig
    chain.demandAttestations(2)
    await trade()
    await settler.start()
    await expect.poll(() => settler.health().ok).toBe(false)
    expect(settler.health().detail).toContain('the vault wants 2 attestations on each batch')
    expect(settler.health().detail).toContain('setAttestors([], 0)')
    await settler.stop()
    await expect(settlement.service.settle()).rejects.toMatchObject(REQUIRED)
    await expect(settlement.service.sendHeartbeat()).rejects.toMatchObject(REQUIRED)
    expect(await batches()).toEqual([])
    expect((await settlement.service.readState()).status).toBe('running')

    chain.demandAttestations(0)
    expect((await settlement.service.settle()).status).toBe('netted')
  })

  it('is asked again by whoever leads next, and not while another leads', async () => {
    const { chain, leadership, settler } = rig
    chain.demandAttestations(1)
    await settler.start()
    await expect.poll(() => settler.health().ok).toBe(false)
    await leadership.stop()
    await expect.poll(() => settler.health().ok).toBe(true)
    expect(settler.health().detail).toBeUndefined()
    await settler.stop()
  })

  it('is told of when it caps an asset, and the node stays ready', async () => {
    const { chain, leadership, settler } = rig
    expect(await figure()).toBe('mooring_settlement_capped_assets 0')
    chain.cap(1, 500n)
    await settler.start()
    await expect.poll(() => settler.health().detail).toContain('caps the turnover of assets 1')
    expect(settler.health().ok).toBe(true)
    expect(await figure()).toBe('mooring_settlement_capped_assets 1')
    await leadership.stop()
    await expect.poll(figure).toBe('mooring_settlement_capped_assets 0')
    await settler.stop()
  })
})
