import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AssetsService } from '#assets/service.ts'
import { issuanceModule } from '#issuance/module.ts'
import type { IssuanceService } from '#issuance/service.ts'
import { SystemClock } from '#platform/clock.ts'
import type { Principal } from '#platform/http/principal.ts'
import { Operations } from '#platform/operation.ts'
import { silentLog } from '../support/database.ts'
import { startRig, type Rig } from '../settlement/rig.ts'

let rig: Rig
let assets: AssetsService
let issuance: IssuanceService
/** A worker that has just started, as after a crash: everything it knows is in the tables. */
let freshTurn: () => Promise<void>

beforeEach(async () => {
  rig = await startRig()
  const { engine, chain, supply, leadership } = rig
  const { database, ledger } = engine
  // The rig has listed numbers 1 and 3 by hand.
  await database.query(`SELECT nextval('assets.chain_asset') FROM generate_series(1, 3)`)
  const clock = new SystemClock()
  const operations = new Operations({ database })
  assets = new AssetsService({ database, ledger, chain, clock })
  const options = { database, ledger, chain, clock, supply, assets, operations, log: silentLog }
  issuance = issuanceModule(options).service
  freshTurn = async () => {
    await issuanceModule(options).makeTokenizer({ leadership }).turn()
  }
})

afterEach(async () => {
  await rig.stop()
})

const PERMISSIONS = new Set(['assets:write', 'assets:approve', 'assets:tokenize'])

function person(chainAccount: number): Principal {
  return {
    userId: `usr_${chainAccount}`,
    accountId: `acc_${chainAccount}`,
    chainAccount,
    roles: ['issuer'],
    permissions: PERMISSIONS,
  }
}

const ISSUER = person(16)

async function approvedAsset(terms: object = {}): Promise<string> {
  const draft = { symbol: 'TOWER', name: 'Tower', class: 'real_estate', decimals: 2 } as const
  const made = await assets.createAsset(ISSUER, { ...draft, reserve: 'none', ...terms })
  const { id } = made.result.asset
  await assets.submitAsset(ISSUER, id)
  await assets.approveAsset(person(17), id)
  return id
}

async function tokenize(assetId: string, change: { supply?: string; key?: string } = {}) {
  const { supply = '1000.00', key = 'k' } = change
  return await issuance.tokenize({ assetId, supply, principal: ISSUER, key })
}

describe('tokenizing an asset', () => {
  it('creates the token, mints the supply to its issuer and ends active', async () => {
    const id = await approvedAsset()
    const { result } = await tokenize(id)
    expect(result).toMatchObject({ status: 'pending', resource: id })
    expect((await assets.getAsset(id)).status).toBe('tokenizing')
    for (let round = 0; round < 4; round += 1) {
      await freshTurn()
      await freshTurn()
      await rig.mineAll()
    }
    await freshTurn()
    const done = await issuance.getOperation(result.id, ISSUER)
    expect(done.steps.map(({ status }) => status)).toEqual(
      Array.from({ length: 4 }, () => 'succeeded'),
    )
    expect(done.status).toBe('succeeded')
    const asset = await assets.getAsset(id)
    expect(asset).toMatchObject({ status: 'active' })
    expect(asset.token).toMatch(/^0x/)
    const { posted, settled } = await rig.engine.ledger.getBalance(16n, asset.chainAsset ?? 0)
    expect([posted, settled]).toEqual([100_000n, 100_000n])
    const batches = await rig.settlement.service.listBatches({ after: undefined, limit: 10 })
    expect(batches).toHaveLength(1)
  })

  it('is one operation per key, and one per asset', async () => {
    const id = await approvedAsset()
    const first = await tokenize(id)
    expect(await tokenize(id)).toMatchObject({ replayed: true, result: { id: first.result.id } })
    await expect(tokenize(id, { supply: '5' })).rejects.toMatchObject({
      code: 'platform.idempotency_mismatch',
    })
    await expect(tokenize(id, { key: 'other' })).rejects.toMatchObject({
      code: 'assets.wrong_status',
    })
  })

  it('is refused before it starts when the supply is wrong or too high', async () => {
    const id = await approvedAsset({ ceiling: '500' })
    const refusal = async (supply: string) =>
      await tokenize(id, { supply }).catch((e: unknown) => e)
    expect(await refusal('0')).toMatchObject({ code: 'issuance.supply_invalid' })
    expect(await refusal('1.234')).toMatchObject({ code: 'issuance.supply_invalid' })
    expect(await refusal('500.01')).toMatchObject({ code: 'supply.ceiling_exceeded' })
    expect((await assets.getAsset(id)).status).toBe('approved')
  })

  it('waits for the first attestation of a reserve, then mints as far as it goes', async () => {
    const id = await approvedAsset({ reserve: 'attested' })
    const { result } = await tokenize(id)
    const stepOf = async () => {
      const { steps } = await issuance.getOperation(result.id, ISSUER)
      return steps.find(({ name }) => name === 'supply_batch')
    }
    for (let round = 0; round < 3; round += 1) {
      await freshTurn()
      await rig.mineAll()
    }
    expect(await stepOf()).toMatchObject({
      status: 'running',
      detail: 'waits for an attested reserve',
    })
    const { chainAsset } = await assets.getAsset(id)
    rig.chain.vouch(chainAsset ?? 0, 100_000n)
    for (let round = 0; round < 3; round += 1) {
      await freshTurn()
      await rig.mineAll()
    }
    await freshTurn()
    expect((await issuance.getOperation(result.id, ISSUER)).status).toBe('succeeded')
  })

  it('fails with the reason when attestors vouch for less', async () => {
    const id = await approvedAsset({ reserve: 'attested' })
    const { result } = await tokenize(id)
    await freshTurn()
    await rig.mineAll()
    const { chainAsset } = await assets.getAsset(id)
    rig.chain.vouch(chainAsset ?? 0, 99_999n)
    await freshTurn()
    const failed = await issuance.getOperation(result.id, ISSUER)
    expect(failed.status).toBe('failed')
    expect(failed.steps.find(({ status }) => status === 'failed')).toMatchObject({
      name: 'supply_batch',
      detail: 'The supply would pass the reserve that attestors vouch for',
    })
    expect((await assets.getAsset(id)).status).toBe('approved')
  })

  it('is for the issuer alone, and only a registered one', async () => {
    const id = await approvedAsset()
    const stranger = { assetId: id, supply: '1', principal: person(17), key: 'x' }
    await expect(issuance.tokenize(stranger)).rejects.toMatchObject({ code: 'assets.not_issuer' })
    const narrow = await approvedAsset({ symbol: 'NARROW', allowedClasses: [9] })
    await expect(tokenize(narrow)).rejects.toMatchObject({ code: 'issuance.issuer_not_registered' })
  })

  it('fails at the step that failed, says why, and may be tried again', async () => {
    const id = await approvedAsset()
    const { result } = await tokenize(id)
    await freshTurn()
    await rig.mineAll()
    await freshTurn()
    rig.chain.fail('revert')
    await rig.mineAll()
    await freshTurn()
    const failed = await issuance.getOperation(result.id, ISSUER)
    expect(failed.status).toBe('failed')
    expect(failed.steps.find(({ status }) => status === 'failed')?.detail).toContain(
      'EnforcedPause',
    )
    rig.chain.fail(undefined)
    const again = await tokenize(id, { key: 'second' })
    for (let round = 0; round < 3; round += 1) {
      await freshTurn()
      await rig.mineAll()
    }
    await freshTurn()
    expect((await issuance.getOperation(again.result.id, ISSUER)).status).toBe('succeeded')
  })

  it.each(['reject', 'revert'] as const)(
    'asks for the token again when its first transaction failed (%s)',
    async (how) => {
      const id = await approvedAsset()
      const { result } = await tokenize(id)
      rig.chain.fail(how)
      await freshTurn()
      await rig.mineAll()
      await freshTurn()
      expect((await issuance.getOperation(result.id, ISSUER)).status).toBe('failed')
      expect((await assets.getAsset(id)).status).toBe('approved')
      rig.chain.fail(undefined)
      const again = await tokenize(id, { key: 'second' })
      for (let round = 0; round < 4; round += 1) {
        await freshTurn()
        await rig.mineAll()
      }
      await freshTurn()
      expect((await issuance.getOperation(again.result.id, ISSUER)).status).toBe('succeeded')
    },
  )

  it('shows its operation to its owner and to nobody else', async () => {
    const { result } = await tokenize(await approvedAsset())
    await expect(issuance.getOperation(result.id, person(17))).rejects.toMatchObject({
      code: 'platform.operation_not_found',
    })
  })
})
