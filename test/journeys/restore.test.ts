import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { computeAddress, JsonRpcProvider } from 'ethers'
import { Client as PgClient } from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { isBody, rows, text } from '../../scripts/body.ts'
import { ApiContract } from '../support/api-contract.ts'
import { Client, until } from '../support/client.ts'
import { freePort } from '../../scripts/free-port.ts'
import { Sandbox, settleAll } from '../support/sandbox.ts'
import { deal, orderKey } from './market-story.ts'

/** Long enough for a node that wanted to send something to have sent it. */
const QUIET_MS = 3000
const GAS_COIN = '0x56bc75e2d63100000'

describe('restoring a backup', () => {
  let sandbox: Sandbox
  let provider: JsonRpcProvider
  let secrets: unknown
  let node: ChildProcess | undefined

  beforeAll(async () => {
    sandbox = await Sandbox.start()
    await settleAll(sandbox)
    provider = new JsonRpcProvider(sandbox.rpc, undefined, { cacheTimeout: -1 })
    secrets = JSON.parse(readFileSync(join(sandbox.home, 'secrets.json'), 'utf8'))
  })

  afterEach(async () => endNode())

  afterAll(async () => {
    provider?.destroy()
    await sandbox?.dispose()
  })

  async function endNode(): Promise<void> {
    const child = node
    node = undefined
    if (child === undefined || child.exitCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    await exited
  }

  async function cli(
    database: string,
    ...argv: readonly string[]
  ): Promise<{ code: unknown; out: string }> {
    const child = spawn(process.execPath, ['src/main.ts', ...argv], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1', DATABASE_URL: database },
    })
    let out = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (out += chunk.toString()))
    const [code]: unknown[] = await once(child, 'close')
    return { code, out }
  }

  /** A new, empty database on the sandbox's server. */
  async function newDatabase(name: string): Promise<string> {
    const client = new PgClient({ connectionString: sandbox.database })
    await client.connect()
    await client.query(`CREATE DATABASE ${name}`)
    await client.end()
    const url = new URL(sandbox.database)
    url.pathname = `/${name}`
    return url.href
  }

  /** Runs a node of its own on a database, the sandbox's chain and its keys. */
  async function serve(
    database: string,
    settlementIntervalMs: number,
  ): Promise<(role: string, place?: number) => Client> {
    const port = await freePort()
    const api = `http://127.0.0.1:${port}`
    const child = spawn(process.execPath, ['src/main.ts', 'serve'], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        ...process.env,
        NO_COLOR: '1',
        LOG_LEVEL: 'silent',
        MOORING_HOME: sandbox.home,
        DATABASE_URL: database,
        RPC_URLS: sandbox.rpc,
        FINALITY_DEPTH: '2',
        SETTLEMENT_INTERVAL_MS: String(settlementIntervalMs),
        HTTP_PORT: String(port),
        SETTLER_KEY: text(secrets, 'keys', 'settler'),
        REGISTRAR_KEY: text(secrets, 'keys', 'registrar'),
        JWT_PRIVATE_KEY: text(secrets, 'keys', 'jwt'),
      },
    })
    node = child
    await until('a ready node', async () => {
      if (child.exitCode !== null) throw new TypeError('the restored node ended')
      return await isUp(api)
    })
    const document: unknown = await (await fetch(`${api}/v1/openapi.json`)).json()
    if (!isBody(document)) throw new TypeError('no OpenAPI document')
    const contract = new ApiContract(document)
    return (role, place = 0) => new Client(api, contract, sandbox.user(role, place).apiKey)
  }

  const settler = (): string => computeAddress(text(secrets, 'keys', 'settler'))

  async function settlerNonce(): Promise<number> {
    return provider.getTransactionCount(settler())
  }

  /** The transactions of the settler in a state, by what they are for. */
  async function keysIn(state: string, operator: Client): Promise<readonly string[]> {
    const found = await operator.get(`/v1/transactions?signer=settler&state=${state}`)
    return rows(found, 'data').map((row) => text(row, 'key'))
  }

  async function headsOf(operator: Client): Promise<readonly unknown[]> {
    return (await operator.all('/v1/settlements')).map((row) => row['head'])
  }

  async function untilIn(state: string, count: number): Promise<readonly string[]> {
    const operator = sandbox.client('operator')
    return until(`${count} ${state}`, async () => {
      const keys = await keysIn(state, operator)
      return keys.length === count && keys
    })
  }

  async function withdraw(amount: string): Promise<void> {
    await sandbox.client('investor').post('/v1/withdrawals', { asset: 'USD', amount }, orderKey())
  }

  /** A withdrawal that is sent and not mined; another one and a batch that wait to be signed. */
  async function leaveOnTheirWay(): Promise<{ sent: string; waiting: readonly string[] }> {
    await provider.send('evm_setAutomine', [false])
    await withdraw('1')
    const [sent = ''] = await untilIn('broadcast', 1)
    // Without gas coin nothing more is signed.
    await provider.send('anvil_setBalance', [settler(), '0x0'])
    await until('an open breaker', async () => {
      const breakers = await sandbox.client('operator').data('/v1/breakers')
      return breakers.some((row) => row['name'] === 'signer_balance' && row['state'] === 'open')
    })
    await withdraw('2')
    await untilIn('requested', 1)
    await deal(sandbox, { quantity: '1.00', price: '100.00' })
    await sandbox.client('operator').post('/v1/settlements')
    return { sent, waiting: await untilIn('requested', 2) }
  }

  /** The lost life gives the second withdrawal up, so that nothing on chain stops another life's. */
  async function giveUpWithdrawal(): Promise<void> {
    const operator = sandbox.client('operator')
    const waiting = await operator.get('/v1/transactions?signer=settler&state=requested')
    const found = rows(waiting, 'data').find((row) => text(row, 'key').startsWith('withdraw:'))
    const path = `/v1/transactions/${text(found, 'id')}/cancel`
    await operator.post(path, { reason: 'not wanted any more' })
    await untilIn('cancelled', 1)
  }

  async function letThemThrough(): Promise<void> {
    await provider.send('anvil_setBalance', [settler(), GAS_COIN])
    await provider.send('evm_setAutomine', [true])
    await provider.send('evm_mine', [])
  }

  it('refuses a backup of which a byte is another, and leaves the database as it was', async () => {
    const folder = join(sandbox.home, 'whole')
    expect(await cli(sandbox.database, 'backup', folder)).toMatchObject({ code: 0 })
    expect((await cli(sandbox.database, 'backup', folder)).out).toContain('there already')
    expect(await cli(sandbox.database, 'backup', 'verify', folder)).toMatchObject({ code: 0 })

    const broken = join(sandbox.home, 'broken')
    cpSync(folder, broken, { recursive: true })
    const file = join(broken, 'ledger.transfer.copy.gz')
    const bytes = readFileSync(file)
    bytes[bytes.length - 9] = (bytes[bytes.length - 9] ?? 0) ^ 1
    writeFileSync(file, bytes)
    const database = await newDatabase('refused')
    const refused = await cli(database, 'restore', broken)
    expect(refused.code).toBe(1)
    expect(refused.out).toContain('ledger.transfer.copy.gz')
    expect(await cli(database, 'restore', folder)).toMatchObject({ code: 0 })
    const again = await cli(database, 'restore', folder)
    expect([again.code, again.out.split('\n').length]).toEqual([1, 2])
  })

  it('never sends anything again from an older database', async () => {
    const { sent, waiting } = await leaveOnTheirWay()
    await deal(sandbox, { quantity: '1.00', price: '100.00' })
    const before = await headsOf(sandbox.client('operator'))
    const folder = join(sandbox.home, 'older')
    expect(await cli(sandbox.database, 'backup', folder)).toMatchObject({ code: 0 })
    expect(readdirSync(folder)).toContain('manifest.json')
    // The life that is lost goes on: it settles what the backup has unsettled, and more.
    await giveUpWithdrawal()
    await letThemThrough()
    await settleAll(sandbox)
    await deal(sandbox, { quantity: '2.00', price: '100.00' })
    await settleAll(sandbox)
    const nonce = await settlerNonce()

    const database = await newDatabase('older')
    expect(await cli(database, 'restore', folder)).toMatchObject({ code: 0 })
    const client = await serve(database, 250)
    const operator = client('operator')
    expect(new Set(await keysIn('held', operator))).toEqual(new Set(waiting))
    expect(await operator.refusal('POST', '/v1/settlements', { body: {} })).toBe(
      '409 settlement.halted',
    )
    await until('differences with the chain', async () => {
      const report = await operator.get('/v1/reconciliation')
      return rows(report, 'differences').length > 0
    })
    expect(
      await operator.refusal('POST', '/v1/settlements/resume', { body: { reason: 'try' } }),
    ).toBe('409 settlement.halted')
    await sleep(QUIET_MS)
    expect(await settlerNonce()).toBe(nonce)
    expect(await headsOf(operator)).toEqual(before)
    expect(new Set(await keysIn('held', operator))).toEqual(new Set(waiting))
    // What was sent before the backup was mined meanwhile, and is known to be.
    await until('the withdrawal of the backup', async () =>
      (await keysIn('final', operator)).includes(sent),
    )
    // Trading goes on in the restored node all the same.
    const order = await client('investor', 0).post(
      '/v1/orders',
      { market: sandbox.market, side: 'buy', type: 'limit', price: '1.00', quantity: '1.00' },
      orderKey(),
    )
    expect(order['status']).toBe('open')
  })

  it('goes on from a backup that has everything', async () => {
    await settleAll(sandbox)
    const folder = join(sandbox.home, 'newest')
    expect(await cli(sandbox.database, 'backup', folder)).toMatchObject({ code: 0 })
    const database = await newDatabase('newest')
    expect(await cli(database, 'restore', folder)).toMatchObject({ code: 0 })
    const client = await serve(database, 0)
    const operator = client('operator')
    await until('an equal reconciliation', async () => {
      const report = await operator.get('/v1/reconciliation')
      return rows(report, 'differences').length === 0
    })
    await until('a resumed settlement', async () => {
      const reply = await operator.call('POST', '/v1/settlements/resume', {
        body: { reason: 'restored' },
      })
      return reply.status < 300
    })
    const limit = { market: sandbox.market, type: 'limit', quantity: '1.00', price: '100.00' }
    await client('investor', 1).post('/v1/orders', { ...limit, side: 'sell' }, orderKey())
    await client('investor', 0).post('/v1/orders', { ...limit, side: 'buy' }, orderKey())
    const batch = await operator.post('/v1/settlements')
    await until('a final settlement of the restored node', async () => {
      const found = await operator.get(`/v1/settlements/${text(batch, 'id')}`)
      return found['status'] === 'final'
    })
    await endNode()
    expect(await cli(database, 'journal', 'verify')).toMatchObject({ code: 0 })
  })
})

/** Ready, though the transactions that a restore holds wait for a person. */
async function isUp(api: string): Promise<boolean> {
  const response = await fetch(`${api}/readyz`).catch(() => undefined)
  return response?.status === 200
}
