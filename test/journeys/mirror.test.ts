import { keccak256, toBeHex, toUtf8Bytes } from 'ethers'
import { Client as PostgresClient } from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { at, rows, text, type Body } from '../../scripts/body.ts'
import { rpc } from '../support/chain.ts'
import { until } from '../support/client.ts'
import { Sandbox, settleAll } from '../support/sandbox.ts'
import { ChainWallet } from '../support/wallet.ts'
import { deal, newestTrade, reconciled, untilFinal } from './market-story.ts'

const LANE_BITS = 72n
const LOW_BITS = 48n
const HARBOR = 1n

/** Where the packed lanes of an account's first three assets lie in the clearing house. */
function laneSlot(account: number): string {
  const base = (BigInt(keccak256(toUtf8Bytes('mooring.lanes.v1'))) >> LOW_BITS) << LOW_BITS
  return toBeHex(base | (BigInt(account) << 16n), 32)
}

describe('the mirror', () => {
  let sandbox: Sandbox

  beforeEach(async () => {
    sandbox = await Sandbox.start()
    await settleAll(sandbox)
    await reconciled(sandbox)
  })

  afterEach(async () => sandbox?.dispose())

  /** A few blocks more, until what was done to the chain is final. */
  async function moveChain(): Promise<void> {
    const wallet = await ChainWallet.open(sandbox, sandbox.user('issuer').wallet?.privateKey ?? '')
    const { blockNumber } = await wallet.mintCash(1n)
    wallet.close()
    await untilFinal(sandbox, blockNumber)
  }

  async function addToLane(account: number, atoms: bigint): Promise<void> {
    const [vault, slot] = [sandbox.contractAddress('ClearingHouse'), laneSlot(account)]
    const word = BigInt(String(await rpc(sandbox.rpc, 'eth_getStorageAt', [vault, slot, 'latest'])))
    const altered = toBeHex(word + (atoms << (HARBOR * LANE_BITS)), 32)
    await rpc(sandbox.rpc, 'anvil_setStorageAt', [vault, slot, altered])
    await moveChain()
  }

  async function difference(): Promise<Body> {
    const operator = sandbox.client('operator')
    return until('a difference', async () => {
      const report = await operator.get('/v1/reconciliation')
      return rows(report, 'differences').length > 0 ? report : undefined
    })
  }

  it('names a lane that was altered on chain, and settles again when it is right', async () => {
    const holder = sandbox.user('investor', 1)
    await addToLane(holder.chainAccount, 7n)
    const report = await difference()
    expect(rows(report, 'differences')).toHaveLength(1)
    const [found] = rows(report, 'differences')
    expect(found).toMatchObject({ account_id: holder.accountId, asset: 'HARBOR' })
    const excess =
      BigInt(text(found, 'chain').replace('.', '')) - BigInt(text(found, 'ledger').replace('.', ''))
    expect(excess).toBe(7n)
    const figure = rows(report, 'assets').find((asset) => asset['asset'] === 'HARBOR')
    expect(Number(figure?.['difference'])).toBe(-0.07)

    await deal(sandbox, { quantity: '1.00', price: '100.00' })
    const operator = sandbox.client('operator')
    expect(await operator.refusal('POST', '/v1/settlements', { body: {} })).toBe(
      '409 settlement.halted',
    )
    const resume = { body: { reason: 'perhaps it went away' } }
    expect(await operator.refusal('POST', '/v1/settlements/resume', resume)).toMatch(
      /^409 settlement\./,
    )
    expect(at(await newestTrade(sandbox), 'settlement', 'status')).toBe('unsettled')

    await addToLane(holder.chainAccount, -7n)
    await reconciled(sandbox)
    await operator.post('/v1/settlements/resume', { reason: 'the lane is right again' })
    await settleAll(sandbox)
    expect(at(await newestTrade(sandbox), 'settlement', 'status')).toBe('final')
  })

  it('names a balance that was altered in the ledger', async () => {
    const holder = sandbox.user('investor', 0)
    const postgres = new PostgresClient({ connectionString: sandbox.database })
    await postgres.connect()
    await postgres.query(
      'UPDATE ledger.balance SET settled = settled + 5 WHERE account = $1 AND asset = 0',
      [holder.chainAccount],
    )
    await postgres.end()
    const report = await difference()
    expect(rows(report, 'differences')).toHaveLength(1)
    const [found] = rows(report, 'differences')
    expect(found).toMatchObject({ account_id: holder.accountId, asset: 'USD' })
    const excess =
      BigInt(text(found, 'ledger').replace('.', '')) - BigInt(text(found, 'chain').replace('.', ''))
    expect(excess).toBe(5n)
    await deal(sandbox, { quantity: '1.00', price: '100.00' })
    expect(await sandbox.client('operator').refusal('POST', '/v1/settlements', { body: {} })).toBe(
      '409 settlement.halted',
    )
  })
})
