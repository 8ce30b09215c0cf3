import { id, TypedDataEncoder, Wallet } from 'ethers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { at, rows, text, type Body } from '../../scripts/body.ts'
import { until } from '../support/client.ts'
import { Sandbox } from '../support/sandbox.ts'
import { ChainWallet } from '../support/wallet.ts'
import { balanceOf, reconciled } from './market-story.ts'

const ASSET = {
  symbol: 'VAULT9',
  name: 'Vault Nine',
  class: 'commodity',
  decimals: 2,
  reserve: 'attested',
  allowed_classes: [1, 2],
}
const RESERVE = {
  Reserve: [
    { name: 'asset', type: 'uint16' },
    { name: 'nonce', type: 'uint64' },
    { name: 'asOf', type: 'uint64' },
    { name: 'decimals', type: 'uint8' },
    { name: 'amount', type: 'int256' },
    { name: 'documentHash', type: 'bytes32' },
  ],
}
const AN_HOUR_SECONDS = 3600

describe('an asset that needs an attested reserve', () => {
  let sandbox: Sandbox
  let admin: ChainWallet
  let path = ''
  let chainAsset = 0
  let waiting = ''
  const attestor = Wallet.createRandom()

  beforeAll(async () => {
    sandbox = await Sandbox.start()
    admin = await ChainWallet.open(sandbox, sandbox.adminKey())
    await admin.send('ReserveGate', 'setAttestors', [attestor.address], 1)
  })

  afterAll(async () => {
    admin?.close()
    await sandbox?.dispose()
  })

  async function tokenize(supply: string, key: string): Promise<string> {
    const body = { supply }
    const begun = await sandbox.client('issuer').call('POST', `${path}/tokenize`, { body, key })
    expect(begun.status).toBe(202)
    return begun.headers.get('location') ?? ''
  }

  async function stepOf(operation: string): Promise<Body | undefined> {
    const steps = rows(await sandbox.client('issuer').get(operation), 'steps')
    return steps.find((step) => step['name'] === 'supply_batch')
  }

  /** What an attestor signs and anybody may send. */
  async function attest(nonce: number, amount: bigint): Promise<void> {
    const domain = {
      name: 'Mooring',
      version: '1',
      chainId: 31_337,
      verifyingContract: admin.contractAddress('ReserveGate'),
    }
    const asOf = await admin.blockTime()
    const documentHash = id(`report ${nonce}`)
    const reserve = { asset: chainAsset, nonce, asOf, decimals: 2, amount, documentHash }
    const signature = attestor.signingKey.sign(TypedDataEncoder.hash(domain, RESERVE, reserve))
    await admin.send('ReserveGate', 'attest', reserve, [signature.serialized])
  }

  it('gets its token and then waits, since nobody vouches for anything', async () => {
    const issuer = sandbox.client('issuer')
    const asset = await issuer.post('/v1/assets', ASSET, 'vault-create')
    path = `/v1/assets/${text(asset, 'id')}`
    await issuer.post(`${path}/submit`, {}, 'vault-submit')
    await sandbox.client('issuer', 1).post(`${path}/approve`, {}, 'vault-approve')
    const operation = await tokenize('1000.00', 'vault-tokenize')
    await until('the wait', async () => {
      const step = await stepOf(operation)
      return step?.['detail'] === 'waits for an attested reserve'
    })
    expect((await stepOf(operation))?.['status']).toBe('running')
    chainAsset = Number(at(await issuer.get(path), 'chain_asset'))
    expect((await issuer.get(path))['total_supply']).not.toBe('1000.00')
    waiting = operation
  })

  it('fails with the reason when attestors vouch for less', async () => {
    const issuer = sandbox.client('issuer')
    await admin.send('ReserveGate', 'setRule', chainAsset, 2, AN_HOUR_SECONDS)
    await attest(1, 99_999n)
    await until('the refusal', async () => (await issuer.get(waiting))['status'] === 'failed')
    expect((await stepOf(waiting))?.['detail']).toBe(
      'The supply would pass the reserve that attestors vouch for',
    )
    expect((await issuer.get(path))['status']).toBe('approved')
    const operator = sandbox.client('operator')
    expect(
      rows(await operator.get('/v1/settlements'), 'data').map((row) => row['status']),
    ).not.toContain('abandoned')
  })

  it('is minted once they vouch for enough', async () => {
    const issuer = sandbox.client('issuer')
    await attest(2, 100_000n)
    const operation = await tokenize('1000.00', 'vault-again')
    await until('the supply', async () => (await issuer.get(operation))['status'] === 'succeeded')
    expect(await issuer.get(path)).toMatchObject({ status: 'active', total_supply: '1000.00' })
    expect(await balanceOf(sandbox, 'VAULT9', 'issuer')).toMatchObject({
      total: '1000.00',
      settled: '1000.00',
    })
    await reconciled(sandbox)
  })
})
