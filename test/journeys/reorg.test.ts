import { mkdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client as PostgresClient } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SANDBOX_FINALITY_DEPTH } from '#app/sandbox/ground.ts'
import { at, text, type Body } from '../../scripts/body.ts'
import { rpc } from '../support/chain.ts'
import { until } from '../support/client.ts'
import { Sandbox, settleAll } from '../support/sandbox.ts'
import { ChainWallet } from '../support/wallet.ts'
import {
  awaitSettlement,
  balanceOf,
  deal,
  newestTrade,
  orderKey,
  reconciled,
  untilFinal,
} from './market-story.ts'

const DEPOSIT_UNITS = 5_000_000_000n

/**
 * A disk that takes no dump of the chain: blocks come, but none becomes final, because final means
 * in a dump on disk.
 */
async function fillDisk(sandbox: Sandbox): Promise<() => void> {
  const path = join(sandbox.home, 'chain', 'state.json.tmp')
  await until('a moment without a dump', () => {
    try {
      mkdirSync(path)
      return Promise.resolve(true)
    } catch {
      // A dump is on its way to the disk.
      return Promise.resolve(false)
    }
  })
  return () => rmdirSync(path)
}

/**
 * The chain's last block once nothing mines any more: each transaction is followed by the blocks that
 * would make it final, and a depth that is counted before those reaches too few blocks.
 */
async function restingHead(sandbox: Sandbox, settlement: Body): Promise<number> {
  const last = Number(settlement['block_number']) + SANDBOX_FINALITY_DEPTH
  return until('a chain at rest', async () => {
    const head = Number(await rpc(sandbox.rpc, 'eth_blockNumber'))
    return head >= last ? head : undefined
  })
}

describe('a reorg', () => {
  let sandbox: Sandbox
  let postgres: PostgresClient

  beforeAll(async () => {
    sandbox = await Sandbox.start()
    await settleAll(sandbox)
    postgres = new PostgresClient({ connectionString: sandbox.database })
    await postgres.connect()
  })

  afterAll(async () => {
    await postgres?.end()
    await sandbox?.dispose()
  })

  async function retractions(): Promise<number> {
    const { rows } = await postgres.query<{ count: string }>(
      "SELECT count(*)::text AS count FROM platform.outbox WHERE stream = 'chain.events' AND type = 'chain.block_retracted.v1'",
    )
    return Number(rows[0]?.count)
  }

  it('takes back a deposit for good and a settlement until its bytes are mined again', async () => {
    const depositor = await ChainWallet.open(
      sandbox,
      sandbox.user('investor', 1).wallet?.privateKey ?? '',
    )
    const { blockNumber } = await depositor.mintCash(DEPOSIT_UNITS)
    await untilFinal(sandbox, blockNumber)
    const before = await balanceOf(sandbox, 'USD', 'investor', 1)
    const emptyDisk = await fillDisk(sandbox)

    const receipt = await depositor.send('ClearingHouse', 'deposit', 0, DEPOSIT_UNITS)
    const spent = await rpc(sandbox.rpc, 'eth_getTransactionByHash', [receipt.hash])
    await until(
      'the deposit at first sight',
      async () => (await balanceOf(sandbox, 'USD', 'investor', 1))['pending'] === '5000.000000',
    )
    // The blocks of the other branch follow each other at once, so they are older than these.
    await sleep(4000)
    await deal(sandbox, { quantity: '7.00', price: '100.00' })
    const traded = await balanceOf(sandbox, 'USD', 'investor', 1)
    const begun = await sandbox.client('operator').post('/v1/settlements')
    const mined = await awaitSettlement(sandbox, text(begun, 'id'), 'mined')
    expect(at(await newestTrade(sandbox), 'settlement', 'status')).toBe('mined')

    // The incoming money cannot be spent: one atom more than what is available is refused.
    const available = BigInt(text(traded, 'available').replace('.', ''))
    const tooMuch = (available + 1n).toString().padStart(7, '0')
    expect(
      await sandbox.client('investor', 1).refusal('POST', '/v1/withdrawals', {
        body: { asset: 'USD', amount: `${tooMuch.slice(0, -6)}.${tooMuch.slice(-6)}` },
        key: orderKey(),
      }),
    ).toBe('422 ledger.insufficient_funds')

    const earlier = await retractions()
    const head = await restingHead(sandbox, mined)
    const elsewhere = await depositor.signNothing(Number(text(spent, 'nonce')))
    await rpc(sandbox.rpc, 'anvil_reorg', [head - receipt.blockNumber + 1, [[elsewhere, 0]]])
    expect(await rpc(sandbox.rpc, 'eth_getTransactionReceipt', [receipt.hash])).toBeNull()

    await until(
      'the retraction',
      async () => (await balanceOf(sandbox, 'USD', 'investor', 1))['pending'] === '0.000000',
    )
    const after = await balanceOf(sandbox, 'USD', 'investor', 1)
    expect(after).toMatchObject({ total: traded['total'], available: traded['available'] })
    expect(await retractions()).toBeGreaterThan(earlier)
    emptyDisk()

    const again = await awaitSettlement(sandbox, text(begun, 'id'), 'final')
    expect(again['tx_hash']).toBe(mined['tx_hash'])
    expect(again['head']).toBe(mined['head'])
    const deposits = await sandbox.client('investor', 1).all('/v1/deposits')
    expect(deposits.find((row) => row['tx_hash'] === receipt.hash)?.['status']).toBe('retracted')
    const sold =
      BigInt(text(after, 'total').replace('.', '')) - BigInt(text(before, 'total').replace('.', ''))
    expect(sold).toBe(700_000_000n - 350_000n)
    await reconciled(sandbox)
    depositor.close()
  })

  it('leaves a node that deposits, trades and settles as before', async () => {
    const depositor = await ChainWallet.open(
      sandbox,
      sandbox.user('investor', 1).wallet?.privateKey ?? '',
    )
    const before = await balanceOf(sandbox, 'USD', 'investor', 1)
    await depositor.mintCash(1_000_000n)
    await depositor.send('ClearingHouse', 'deposit', 0, 1_000_000n)
    depositor.close()
    await until('the deposit', async () => {
      const now = await balanceOf(sandbox, 'USD', 'investor', 1)
      return Number(now['total']) === Number(before['total']) + 1 && Number(now['pending']) === 0
    })
    await deal(sandbox, { quantity: '1.00', price: '100.00' })
    await settleAll(sandbox)
    await reconciled(sandbox)
  })
})
