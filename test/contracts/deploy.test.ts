import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AbiCoder, Contract, JsonRpcProvider, Wallet, ZeroAddress, keccak256 } from 'ethers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readDeployment, writeDeployment } from '../../deploy/contracts/addresses-file.ts'
import { contractNames, fingerprintOf, readArtifact } from '../../deploy/contracts/artifact.ts'
import { deployMooring } from '../../deploy/contracts/deployment.ts'
import { interfaceOf } from '../../deploy/contracts/plan.ts'
import { ROLES } from '../../deploy/contracts/permission.ts'
import { requireAdminDelay, settingsFrom } from '../../deploy/contracts/settings.ts'
import { startAnvil } from '../support/chain.ts'
import type { ContractName } from '../../deploy/contracts/artifact.ts'
import type { Deployment } from '../../deploy/contracts/addresses-file.ts'
import type { TestChain } from '../support/chain.ts'
import type { Settings } from '../../deploy/contracts/settings.ts'

// The first test account of every anvil.
const DEPLOYER_KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'

const settings: Settings = {
  admin: new Wallet(`0x${'01'.repeat(32)}`).address,
  settler: new Wallet(`0x${'02'.repeat(32)}`).address,
  registrar: new Wallet(`0x${'03'.repeat(32)}`).address,
  pauser: new Wallet(`0x${'04'.repeat(32)}`).address,
  adminDelaySeconds: 172_800,
  cash: { scale: 1n },
  deployCash: true,
}

const people = {
  MOORING_ADMIN: settings.admin,
  MOORING_SETTLER: settings.settler,
  MOORING_REGISTRAR: settings.registrar,
  MOORING_PAUSER: settings.pauser,
}

let chain: TestChain
let folder: string
let signer: Wallet
let provider: JsonRpcProvider

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mooring-deploy-'))
  chain = await startAnvil()
  provider = new JsonRpcProvider(chain.url, chain.chainId, {
    staticNetwork: true,
    cacheTimeout: -1,
  })
  signer = new Wallet(DEPLOYER_KEY, provider)
})

afterAll(async () => {
  provider.destroy()
  await chain.stop()
  rmSync(folder, { recursive: true })
})

function contract(deployment: Deployment, name: ContractName): Contract {
  return new Contract(deployment.contracts[name], interfaceOf(readArtifact(name).abi), provider)
}

async function read(target: Contract, name: string, ...values: unknown[]): Promise<unknown> {
  const result: unknown = await target.getFunction(name)(...values)
  return result
}

test('a first run deploys everything, a second one nothing, and the deployer is left without a role', async () => {
  const path = join(folder, 'addresses.json')
  const first = await deployMooring({ signer, artifacts: readArtifact, settings })
  expect(first.created).toEqual(contractNames())
  expect(first.fingerprint).toBe(fingerprintOf(readArtifact))
  writeDeployment(path, first)

  const nonce = await signer.getNonce()
  const lines: string[] = []
  const again = await deployMooring({
    signer,
    artifacts: readArtifact,
    settings,
    existing: readDeployment(path),
    report: (line) => lines.push(line),
  })
  expect(again.created).toEqual([])
  expect(lines).toEqual(['nothing to deploy: every contract is in place'])
  expect(again.contracts).toEqual(first.contracts)
  expect(again.deployedAt).toBe(first.deployedAt)
  expect(await signer.getNonce()).toBe(nonce)

  const authority = contract(first, 'Authority')
  for (const role of Object.values(ROLES)) {
    expect(await read(authority, 'hasRole', role, signer.address)).toEqual([false, 0n])
  }
  expect(await read(authority, 'hasRole', ROLES.ADMIN, settings.admin)).toEqual([true, 172_800n])
  expect(await read(authority, 'hasRole', ROLES.SETTLER, settings.settler)).toEqual([true, 0n])
})

test('cash is asset 0, the fee account exists and the first head binds chain and vault', async () => {
  const { created, differences, ...suite } = await deployMooring({
    signer,
    artifacts: readArtifact,
    settings,
  })
  expect([created, differences]).toEqual([contractNames(), []])
  const vault = contract(suite, 'ClearingHouse')
  const assets = contract(suite, 'AssetRegistry')
  expect(await read(assets, 'tokenOf', 0)).toBe(suite.contracts.CashToken)
  expect(await read(assets, 'isExternal', 0)).toBe(true)
  expect(await read(vault, 'flagsOf', 1)).toEqual([84n, 0n])
  expect(await read(vault, 'sequence')).toBe(0n)
  expect(await read(vault, 'head')).toBe(genesis(suite))
})

test('a contract that is missing and cannot be made at its address is named, nothing is sent', async () => {
  const deployment = await deployMooring({ signer, artifacts: readArtifact, settings })
  const contracts = { ...deployment.contracts, SupplyController: settings.admin }
  const nonce = await signer.getNonce()
  const existing = { ...deployment, contracts }
  await expect(
    deployMooring({ signer, artifacts: readArtifact, settings, existing }),
  ).rejects.toMatchObject({ code: 'deploy.contracts_incomplete', detail: 'SupplyController' })
  expect(await signer.getNonce()).toBe(nonce)
})

test('a file of another chain, an admin that is the deployer and a lost setting are refused', async () => {
  const deployment = await deployMooring({ signer, artifacts: readArtifact, settings })
  const refuse = (change: object) =>
    deployMooring({ signer, artifacts: readArtifact, settings, ...change })
  await expect(refuse({ existing: { ...deployment, chainId: 1 } })).rejects.toMatchObject({
    code: 'deploy.wrong_chain',
  })
  const own = { ...settings, admin: signer.address }
  await expect(refuse({ settings: own })).rejects.toMatchObject({
    code: 'deploy.admin_is_deployer',
  })
  expect(() => settingsFrom({ MOORING_ADMIN: 'somebody' })).toThrow(
    expect.objectContaining({ code: 'deploy.setting_malformed' }),
  )
  expect(() => settingsFrom({ MOORING_ADMIN: settings.admin })).toThrow(
    expect.objectContaining({ code: 'deploy.setting_missing' }),
  )
})

test('an upgrade that is quicker than an exit and two cycles is refused before anything is sent', async () => {
  const nonce = await signer.getNonce()
  const hasty = { ...settings, upgradeDelaySeconds: 93_599 }
  await expect(
    deployMooring({ signer, artifacts: readArtifact, settings: hasty }),
  ).rejects.toMatchObject({ code: 'deploy.upgrade_delay_short' })
  expect(await signer.getNonce()).toBe(nonce)
  const delays = { exitDelaySeconds: 3_600, settlementCycleSeconds: 60 }
  const quick = { ...settings, ...delays, upgradeDelaySeconds: 3_720 }
  const suite = await deployMooring({ signer, artifacts: readArtifact, settings: quick })
  const authority = contract(suite, 'Authority')
  expect(await read(authority, 'UPGRADE_DELAY')).toBe(3_720n)
  expect(await read(authority, 'hasRole', ROLES.UPGRADER, settings.admin)).toEqual([true, 3_720n])
})

test('an admin that waits less than an upgrade is refused, except on a local chain', async () => {
  const elsewhere = new JsonRpcProvider(chain.url, 8_453, { staticNetwork: true })
  const nonce = await signer.getNonce()
  const deploy = (adminDelaySeconds: number) =>
    deployMooring({
      signer: signer.connect(elsewhere),
      artifacts: readArtifact,
      settings: { ...settings, adminDelaySeconds },
    })
  await expect(deploy(93_599)).rejects.toMatchObject({ code: 'deploy.admin_delay_short' })
  expect(await signer.getNonce()).toBe(nonce)
  elsewhere.destroy()
  const quick = { ...settings, adminDelaySeconds: 93_599 }
  expect(() => requireAdminDelay(quick, 8_453)).toThrow()
  expect(() => requireAdminDelay({ ...quick, adminDelaySeconds: 93_600 }, 8_453)).not.toThrow()
  expect(() => requireAdminDelay(quick, chain.chainId)).not.toThrow()
})

test('the gate answers for reserves and knows the attestors of the settings, in any order', async () => {
  const [one, two] = [settings.pauser, settings.settler]
  const quorum = (value: string) =>
    settingsFrom({ ...people, MOORING_RESERVE_ATTESTORS: value }).reserveAttestors
  expect(quorum(`${one},${two}/2`)).toEqual({ addresses: [one, two], threshold: 2 })
  const many = Array.from({ length: 33 }, () => Wallet.createRandom().address).join(',')
  const same = `${one},${one.toLowerCase()}/2`
  const wrongs = [`${one}`, `${one}/2`, `${one}/0`, 'somebody/1', same, `${ZeroAddress}/1`]
  for (const wrong of [...wrongs, `${many}/1`]) {
    expect(() => quorum(wrong)).toThrow(
      expect.objectContaining({ code: 'deploy.setting_malformed' }),
    )
  }
  for (const addresses of [
    [one, two],
    [two, one],
  ]) {
    const attested = { ...settings, reserveAttestors: { addresses, threshold: 2 } }
    const suite = await deployMooring({ signer, artifacts: readArtifact, settings: attested })
    const gate = contract(suite, 'ReserveGate')
    expect(await read(gate, 'threshold')).toBe(2n)
    expect(await read(contract(suite, 'SupplyController'), 'reserveGate')).toBe(
      suite.contracts.ReserveGate,
    )
  }
})

test('batch attestors are refused until somebody says that the node does not settle alone', () => {
  const value = `${settings.pauser},${settings.settler}/2`
  const wanted = { ...people, MOORING_BATCH_ATTESTORS: value }
  expect(() => settingsFrom(wanted)).toThrow(
    expect.objectContaining({
      code: 'deploy.attestors_unsupported',
      detail: expect.stringContaining('every batch of it would revert'),
    }),
  )
  const confirmed = settingsFrom({ ...wanted, MOORING_BATCH_ATTESTORS_CONFIRMED: '1' })
  expect(confirmed.batchAttestors).toEqual({
    addresses: [settings.pauser, settings.settler],
    threshold: 2,
  })
  expect(settingsFrom(people)).not.toHaveProperty('batchAttestors')
})

test('a turnover cap that the chain would round is refused', () => {
  const cap = (value: string) =>
    settingsFrom({ ...people, MOORING_CASH_TURNOVER_CAP: value }).cashTurnoverCap
  expect([cap('1'), cap('511'), cap('25000000'), cap('')]).toEqual([
    1n,
    511n,
    25_000_000n,
    undefined,
  ])
  for (const wrong of ['0', '512', '12345000', '-1', 'much']) {
    expect(() => cap(wrong)).toThrow(expect.objectContaining({ code: 'deploy.setting_malformed' }))
  }
})

test('attestors and cap are told in a dry run, set at the handover, and compared by later runs', async () => {
  const attestors = Array.from({ length: 32 }, () => Wallet.createRandom().address)
  const guarded = {
    ...settings,
    batchAttestors: { addresses: attestors, threshold: 2 },
    reserveAttestors: { addresses: attestors, threshold: 3 },
    cashTurnoverCap: 25_000_000n,
  }
  const nonce = await signer.getNonce()
  let lines: string[] = []
  const run = async (more: object) =>
    await deployMooring({
      signer,
      artifacts: readArtifact,
      settings: guarded,
      report: (line) => lines.push(line),
      ...more,
    })
  expect((await run({ isDryRun: true })).created).toEqual([])
  expect(await signer.getNonce()).toBe(nonce)
  expect(lines.filter((line) => line.startsWith('would create '))).toHaveLength(10)
  expect(lines).toContain(`would give SETTLER to ${settings.settler}, whose calls wait for 0 s`)
  expect(lines.at(-2)).toMatch(/^would set batch attestors: 2 of 0x/)
  expect(lines.at(-1)).toBe('would set turnover cap of cash: 25000000 atoms per hour')

  const suite = await run({})
  const vault = contract(suite, 'ClearingHouse')
  const sorted = attestors.toSorted((a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1))
  expect(await read(vault, 'threshold')).toBe(2n)
  expect(await read(vault, 'attestors')).toEqual(sorted)
  expect(await read(vault, 'turnoverOf', 0)).toEqual([25_000_000n, 0n])
  expect(await read(contract(suite, 'ReserveGate'), 'threshold')).toBe(3n)

  const idle = 'nothing to deploy: every contract is in place'
  for (const isDryRun of [false, true]) {
    lines = []
    await run({ existing: suite, isDryRun })
    expect(lines).toEqual([idle])
    lines = []
    await run({ existing: suite, isDryRun, settings })
    expect(lines.map((line) => line.split(':')[0])).toEqual([
      'nothing to deploy',
      'reserve attestors',
      'batch attestors',
      'turnover cap of cash',
    ])
    expect(lines.at(-1)).toContain('the settings say none, the chain 25000000 atoms per hour')
  }
})

test('a deployment compares what the chain keeps with the settings', async () => {
  const rounded = { ...settings, cashTurnoverCap: 12_345n }
  const { differences } = await deployMooring({
    signer,
    artifacts: readArtifact,
    settings: rounded,
  })
  expect(differences).toEqual([
    expect.stringContaining(
      'the settings say 12345 atoms per hour, the chain 12300 atoms per hour',
    ),
  ])
})

function genesis({ chainId, contracts }: Deployment): string {
  const coder = AbiCoder.defaultAbiCoder()
  const encoded = coder.encode(
    ['string', 'uint256', 'address'],
    ['mooring.head.v1', chainId, contracts.ClearingHouse],
  )
  return keccak256(encoded)
}
