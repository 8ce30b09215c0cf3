import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { JsonRpcProvider, Wallet } from 'ethers'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { writeDeployment } from '../../deploy/contracts/addresses-file.ts'
import { readArtifact } from '../../deploy/contracts/artifact.ts'
import { deployMooring } from '../../deploy/contracts/deployment.ts'
import { startAnvil, type TestChain } from '../support/chain.ts'

// The first test account of every anvil.
const DEPLOYER_KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const ADMIN_KEY = `0x${'1'.repeat(64)}`
const STRANGER_KEY = `0x${'7'.repeat(64)}`
const DELAY_SECONDS = 172_800

const home = mkdtempSync(join(tmpdir(), 'mooring-operations-'))
const addresses = join(home, 'contracts.json')
let chain: TestChain

beforeAll(async () => {
  chain = await startAnvil()
  const provider = new JsonRpcProvider(chain.url, chain.chainId, {
    staticNetwork: true,
    cacheTimeout: -1,
    pollingInterval: 20,
  })
  const admin = new Wallet(ADMIN_KEY).address
  for (const key of [ADMIN_KEY, STRANGER_KEY])
    await chain.rpc('anvil_setBalance', [new Wallet(key).address, '0x3635c9adc5dea00000'])
  const offices = { admin, settler: admin, registrar: admin, pauser: admin }
  const deployment = await deployMooring({
    signer: new Wallet(DEPLOYER_KEY, provider),
    artifacts: readArtifact,
    settings: {
      ...offices,
      adminDelaySeconds: DELAY_SECONDS,
      cash: { scale: 1n },
      deployCash: true,
    },
  })
  writeDeployment(addresses, deployment)
  provider.destroy()
})

afterAll(async () => {
  await chain.stop()
  rmSync(home, { recursive: true })
})

/** Runs a script as an operator does, on a network over HTTP. */
async function run(
  name: string,
  key: string,
  variables: Record<string, string> = {},
  network: readonly string[] = ['--network', 'drill'],
) {
  const args = ['run', `scripts/${name}.ts`, '--no-compile', ...network]
  const child = spawn(process.execPath, ['node_modules/hardhat/dist/src/cli.js', ...args], {
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      DRILL_RPC_URL: chain.url,
      DRILL_DEPLOYER_KEY: key,
      MOORING_ADDRESSES: addresses,
      ...variables,
    },
  })
  let said = ''
  child.stdout.on('data', (text) => (said += String(text)))
  child.stderr.on('data', (text) => (said += String(text)))
  const [code]: unknown[] = await once(child, 'close')
  return { code, said }
}

it('drills the exit of whoever is registered', async () => {
  const { code, said } = await run('operations/exit-drill', ADMIN_KEY)
  expect([code, said]).toEqual([0, expect.stringContaining('covered')])
}, 60_000)

it('schedules what has to wait, and says in one line who may not', async () => {
  const grant = { MOORING_ROLE: 'FREEZER', MOORING_TO: new Wallet(STRANGER_KEY).address }
  const first = await run('operations/grant', ADMIN_KEY, grant)
  expect([first.code, first.said]).toEqual([0, expect.stringContaining('schedule')])
  const refused = await run('operations/grant', STRANGER_KEY, grant)
  expect(refused.code).toBe(1)
  expect(refused.said.trim().split('\n')).toEqual([
    expect.stringContaining('for real'),
    expect.stringContaining('AccessManagerUnauthorized'),
  ])
}, 60_000)

it.each(['operations/grant', 'deploy-contracts'])(
  'asks %s which network is meant',
  async (name) => {
    const { code, said } = await run(name, ADMIN_KEY, {}, [])
    expect([code, said.trim().split('\n')]).toEqual([1, [expect.stringContaining('--network')]])
  },
  60_000,
)
