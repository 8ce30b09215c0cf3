import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { Wallet } from 'ethers'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { isJsonObject, parseJson } from '#kernel/json.ts'
import { writeDeployment } from '../../deploy/contracts/addresses-file.ts'
import { ADMIN, OperatorChain, keyOf } from '../support/operator-chain.ts'

const [ADMIN_KEY, STRANGER_KEY] = [keyOf(ADMIN), keyOf('6')]
const DELAY_SECONDS = 172_800

const home = mkdtempSync(join(tmpdir(), 'mooring-operations-'))
const addresses = join(home, 'contracts.json')
let suite: OperatorChain

beforeAll(async () => {
  suite = await OperatorChain.start(DELAY_SECONDS)
  writeDeployment(addresses, suite.deployment)
})

afterAll(async () => {
  await suite.stop()
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
      DRILL_RPC_URL: suite.chain.url,
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

it.each([200, 400])(
  'reads events over an endpoint that refuses ranges with status %d',
  async (status) => {
    await suite.chain.rpc('anvil_mine', ['0x20'])
    let refusals = 0
    const server = createServer((request, response) => {
      void (async () => {
        const body = await text(request)
        const call = parseJson(body)
        const { id, method, params } = isJsonObject(call) ? call : {}
        const [filter]: unknown[] = Array.isArray(params) ? params : []
        const { fromBlock, toBlock } = isJsonObject(filter) ? filter : {}
        if (method === 'eth_getLogs' && Number(toBlock) - Number(fromBlock) >= 10) {
          refusals += 1
          const error = { code: -32_600, message: 'You can ask for up to a 10 block range' }
          response.writeHead(status, { 'content-type': 'application/json' })
          response.end(JSON.stringify({ jsonrpc: '2.0', id, error }))
          return
        }
        const headers = { 'content-type': 'application/json' }
        const answer = await fetch(suite.chain.url, { method: 'POST', body, headers })
        response.end(await answer.text())
      })().catch(() => response.destroy())
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : ''
    const limited = { DRILL_RPC_URL: `http://127.0.0.1:${port}` }
    const { code, said } = await run('operations/exit-drill', ADMIN_KEY, limited)
    server.closeAllConnections()
    server.close()
    expect([code, said]).toEqual([0, expect.stringContaining('covered')])
    expect(said).not.toContain('block 1')
    expect(refusals).toBeGreaterThan(0)
  },
  60_000,
)

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
