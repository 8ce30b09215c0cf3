import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { JsonRpcProvider, NonceManager, Wallet } from 'ethers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeDeployment } from '../../deploy/contracts/addresses-file.ts'
import { readArtifact } from '../../deploy/contracts/artifact.ts'
import { deployMooring } from '../../deploy/contracts/deployment.ts'
import { newSessionKey } from '#app/session-key.ts'
import { OWN_GROUPS } from '#app/streams.ts'
import { startAnvil, type TestChain } from '../support/chain.ts'
import { until } from '../support/client.ts'
import { figuresIn, scrape } from '../support/figures.ts'
import { freePort } from '../../scripts/free-port.ts'
import { createDatabase } from '../support/postgres.ts'

/** Well-known account 0 of anvil, which has gas coin on a fresh chain. */
const DEPLOYER = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const PASSWORD = 'a password of length'
/** Only a node with Kafka has a relay to tell of. */
const OF_THE_RELAY = new Set([
  'mooring_relay_lag',
  'mooring_relay_resends_total',
  'mooring_relayed_events_total',
])

describe('the node on a Postgres and a chain of its own', () => {
  const home = mkdtempSync(join(tmpdir(), 'mooring-serve-'))
  const wallets = {
    admin: Wallet.createRandom(),
    settler: Wallet.createRandom(),
    registrar: Wallet.createRandom(),
  }
  let anvil: TestChain
  let database: Awaited<ReturnType<typeof createDatabase>>
  let env: Record<string, string>
  let port: number

  beforeAll(async () => {
    anvil = await startAnvil()
    database = await createDatabase()
    port = await freePort()
    const provider = new JsonRpcProvider(anvil.url, undefined, { cacheTimeout: -1 })
    const deployment = await deployMooring({
      signer: new NonceManager(new Wallet(DEPLOYER, provider)),
      artifacts: readArtifact,
      settings: {
        admin: wallets.admin.address,
        pauser: wallets.admin.address,
        settler: wallets.settler.address,
        registrar: wallets.registrar.address,
        adminDelaySeconds: 0,
        cash: { scale: 1n },
        deployCash: true,
      },
    })
    provider.destroy()
    const addresses = join(home, 'addresses.json')
    writeDeployment(addresses, deployment)
    env = {
      PATH: process.env['PATH'] ?? '',
      NO_COLOR: '1',
      MOORING_HOME: home,
      DATABASE_URL: database.url,
      RPC_URLS: anvil.url,
      ADDRESSES_FILE: addresses,
      FINALITY_DEPTH: '0',
      HTTP_PORT: String(port),
      SETTLER_KEY: wallets.settler.privateKey,
      REGISTRAR_KEY: wallets.registrar.privateKey,
      JWT_PRIVATE_KEY: newSessionKey(),
    }
  })

  afterAll(async () => {
    await anvil?.stop()
    await database?.drop()
    rmSync(home, { recursive: true, force: true })
  })

  function start(...argv: readonly string[]): ChildProcess {
    return spawn(process.execPath, ['src/main.ts', ...argv], { env })
  }

  async function run(argv: readonly string[], input = ''): Promise<{ code: unknown; out: string }> {
    const child = start(...argv)
    let out = ''
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk) => (out += String(chunk)))
    child.stdin?.end(input)
    const [code] = await once(child, 'close')
    return { code, out }
  }

  /** A second whole node that could not send a command to the first one says what it lacks. */
  async function expectUselessStandby(): Promise<void> {
    const [home2, port2] = [mkdtempSync(join(home, 'second-')), await freePort()]
    const own = { ...env, MOORING_HOME: home2, HTTP_PORT: String(port2) }
    const second = spawn(process.execPath, ['src/main.ts', 'serve'], { env: own, stdio: 'ignore' })
    try {
      const text = await until('a standby', async () => {
        const reply = await fetch(`http://127.0.0.1:${port2}/readyz`).catch(() => undefined)
        const found = `${reply?.status} ${await reply?.text()}`
        return found.includes('another process leads') ? found : undefined
      })
      expect(text).toMatch(/^503 .*set INTERNAL_TOKEN/)
    } finally {
      second.kill('SIGTERM')
      await once(second, 'close')
    }
  }

  /** A rule over a figure without a value never fires, and a panel without one is empty. */
  async function expectFigures(api: string): Promise<void> {
    const lag = /^mooring_consumer_lag\{group="(\w+)"/
    const { declared, told, lines } = await until('readers on the chain', async () => {
      const figures = await scrape(api)
      return figures.lines.some((line) => lag.test(line)) ? figures : undefined
    })
    const [rules, panels] = ['alerts.yaml', 'dashboard.json'].map((name) =>
      figuresIn(`deploy/grafana/${name}`).filter((figure) => !OF_THE_RELAY.has(figure)),
    )
    expect(panels?.filter((name) => !declared.has(name))).toEqual([])
    expect(rules?.filter((name) => !told.has(name))).toEqual([])
    const groups = lines.flatMap((line) => lag.exec(line)?.[1] ?? [])
    expect(groups.filter((group) => !OWN_GROUPS.has(group))).toEqual([])
  }

  it('migrates, makes its first administrator, serves, stops cleanly and verifies its journal', async () => {
    expect(await run(['migrate'])).toMatchObject({ code: 0 })
    const made = await run(
      ['user', 'create', '--role', 'admin', '--email', 'admin@example.com'],
      PASSWORD,
    )
    expect(made).toMatchObject({ code: 0 })
    expect(made.out).toMatch(/^usr_\S+ acc_\S+ investor,admin/)

    const node = start('serve')
    // Nobody reads it, and a full pipe stops its writer.
    for (const stream of [node.stdout, node.stderr]) stream?.resume()
    const api = `http://127.0.0.1:${port}`
    await until(
      'a ready node',
      async () => (await fetch(`${api}/readyz`).catch(() => undefined))?.ok === true,
    )
    await expectUselessStandby()
    const session = await fetch(`${api}/v1/sessions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: 'admin@example.com', password: PASSWORD }),
    })
    expect(session.status).toBe(201)
    await expectFigures(api)
    node.kill('SIGTERM')
    const [code] = await once(node, 'close')
    expect(code).toBe(0)

    const verified = await run(['journal', 'verify'])
    expect(verified.out).toContain('explains the tables')
    expect(verified.code).toBe(0)
  })
})
