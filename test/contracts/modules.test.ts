import { ContractFactory, Wallet } from 'ethers'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { assert } from '#kernel/assert.ts'
import {
  artifactOfKind,
  interfaceOfKind,
  requireKind,
} from '../../deploy/operations/module-kind.ts'
import { contractOf, readView } from '../../deploy/operations/operation.ts'
import {
  bindModule,
  deployModule,
  entrustModule,
  listModules,
  setParameter,
  unbindModule,
} from '../../deploy/operations/policy.ts'
import { OperatorChain } from '../support/operator-chain.ts'
import type { Operation } from '../../deploy/operations/operation.ts'
import type { ModuleKind } from '../../deploy/operations/module-kind.ts'

const DELAY_SECONDS = 93_600
const [CASH, GOLD, SILVER] = [0, 1, 2]

let suite: OperatorChain

const wallet = (digit: string): Wallet => suite.wallet(digit)
const operation = (digit: string, isDryRun = false): Operation =>
  suite.operation(digit, { isDryRun })
const refusal = (detail: string) => ({
  code: 'deploy.module_refused',
  detail: expect.stringContaining(detail),
})

async function made(kind: ModuleKind): Promise<string> {
  const module = await deployModule(operation('1'), kind)
  assert(module !== undefined, 'a module was made')
  return module
}

/** Schedules a call, lets its delay pass and makes it. */
async function perform(act: () => Promise<string>): Promise<void> {
  expect(await act()).toBe('scheduled')
  await suite.pass(DELAY_SECONDS)
  expect(await act()).toBe('done')
}

/** A contract that answers every question with the same number. */
async function parrot(answer: string): Promise<string> {
  const address = Wallet.createRandom().address
  await suite.chain.rpc('anvil_setCode', [address, `0x60${answer}60005260206000f3`])
  return address
}

beforeAll(async () => {
  suite = await OperatorChain.start(DELAY_SECONDS)
  await suite.createAsset(GOLD, 'GOLD')
  await suite.createAsset(SILVER, 'SILVER')
})

beforeEach(() => {
  suite.lines = []
})

afterAll(async () => {
  await suite.stop()
})

describe('the modules of an asset', () => {
  test('are bound after a dry run, shown with what they are set to, and unbound', async () => {
    const module = await made('MaxBalance')
    const binding = { asset: GOLD, module }
    const nonce = await wallet('1').getNonce()
    expect(await bindModule(operation('1', true), binding)).toBe('scheduled')
    expect(await wallet('1').getNonce()).toBe(nonce)
    expect(suite.lines).toContain('MaxBalance: limit 0: nobody receives')
    expect(suite.lines.at(-1)).toContain('would send schedule: addModule')

    await perform(
      async () =>
        await setParameter(operation('1'), { module, name: 'setLimit', values: '["1","5000"]' }),
    )
    await perform(async () => await bindModule(operation('1'), binding))
    expect(await listModules(operation('1'), GOLD)).toEqual([
      {
        address: module,
        kind: 'MaxBalance',
        capabilities: 'checks',
        parameters: 'at most 5000 atoms an account',
      },
    ])
    expect(await listModules(operation('1'), SILVER)).toEqual([])
    await expect(bindModule(operation('1'), binding)).rejects.toMatchObject(
      refusal('the asset has it already'),
    )
    await perform(async () => await unbindModule(operation('1'), binding))
    expect(await listModules(operation('1'), GOLD)).toEqual([])
    await expect(unbindModule(operation('1'), binding)).rejects.toMatchObject(
      refusal('the asset does not have it'),
    )
  })

  test('may be of every kind, and one that no build made can be taken away by force', async () => {
    const kinds: readonly ModuleKind[] = [
      'ClassAndCountryMask',
      'MaxHolders',
      'LockUp',
      'ConditionalApproval',
    ]
    for (const kind of kinds) {
      const module = await made(kind)
      await perform(async () => await bindModule(operation('1'), { asset: SILVER, module }))
    }
    const bound = await listModules(operation('1'), SILVER)
    expect(
      bound.map(({ kind, capabilities, parameters }) => [kind, capabilities, parameters]),
    ).toEqual([
      ['ClassAndCountryMask', 'checks', 'receivers: nobody; senders: nobody'],
      ['MaxHolders', 'checks and records', 'at most 0 holders, 0 in wallets'],
      ['LockUp', 'checks', 'locks of 0 accounts were set'],
      ['ConditionalApproval', 'checks and records', '0 approvals were given or taken back'],
    ])
    const [first, , third] = bound.map(({ address }) => address)
    assert(first !== undefined && third !== undefined, 'two modules')
    const set = async (module: string, name: string, values: string) => {
      await perform(async () => await setParameter(operation('1'), { module, name, values }))
    }
    await set(first, 'setCountries', '["1","6"]')
    await set(first, 'setMask', '["2","4",["1"],["1"]]')
    await set(third, 'setLock', '["2","16","5","9"]')
    const parameters = (await listModules(operation('1'), SILVER)).map((one) => one.parameters)
    expect(parameters[0]).toBe('receivers: classes 2; senders: classes 1, 2')
    expect(parameters[2]).toBe('locks of 1 accounts were set')

    await suite.chain.rpc('anvil_setCode', [first, '0xfe'])
    const broken = { asset: SILVER, module: first }
    expect((await listModules(operation('1'), SILVER))[0]).toMatchObject({
      kind: undefined,
      capabilities: 'broken',
      parameters: 'unknown',
    })
    await perform(async () => await unbindModule(operation('1'), broken, true))
    expect(await listModules(operation('1'), SILVER)).toHaveLength(3)
  }, 60_000)

  test('that are no sound modules of this suite are refused with one line, and nothing is sent', async () => {
    const nonce = await wallet('1').getNonce()
    const bind = (module: string, asset = GOLD) => bindModule(operation('1'), { asset, module })
    const foreign = async (...values: string[]) => {
      const signer = wallet('3')
      const { abi, bytecode } = artifactOfKind('MaxBalance')
      const contract = await new ContractFactory(JSON.stringify(abi), bytecode, signer).deploy(
        ...values,
      )
      await contract.waitForDeployment()
      return await contract.getAddress()
    }
    const { Authority, PolicyEngine, CashToken } = suite.deployment.contracts
    const refused: readonly (readonly [string, string])[] = [
      [wallet('9').address, 'there is no code'],
      [CashToken, 'its capabilities are not to be read'],
      [await parrot('00'), 'its capabilities are 0'],
      [await parrot('04'), 'its capabilities are 4'],
      [await parrot('01'), 'its engine is 0x0000000000000000000000000000000000000001'],
      [await foreign(wallet('9').address, PolicyEngine), 'its authority is 0x'],
    ]
    for (const [module, why] of refused)
      await expect(bind(module)).rejects.toMatchObject(refusal(`${module}: ${why}`))
    const good = await foreign(Authority, PolicyEngine)
    for (const asset of [CASH, 77])
      await expect(bind(good, asset)).rejects.toMatchObject(refusal('no token of this suite'))
    const set = { module: CashToken, name: 'mint', values: '[]' }
    await expect(setParameter(operation('1'), set)).rejects.toMatchObject(
      refusal('not compiled here'),
    )
    await expect(
      setParameter(operation('1'), { module: good, name: 'setLimit', values: '[1]' }),
    ).rejects.toMatchObject({ code: 'deploy.setting_malformed' })
    expect(() => requireKind('Nothing')).toThrow(
      expect.objectContaining({ code: 'deploy.setting_malformed' }),
    )
    expect(await wallet('1').getNonce()).toBe(nonce)
  })

  test('take their setters from ADMIN when they are entrusted to POLICY_ADMIN', async () => {
    const module = await made('MaxBalance')
    expect(await deployModule(operation('1', true), 'MaxBalance')).toBeUndefined()
    const authority = contractOf(operation('1'), 'Authority')
    const roleOf = async (name: string) => {
      const selector = interfaceOfKind('MaxBalance').getFunction(name)?.selector
      return await readView(authority, 'getTargetFunctionRole', module, selector)
    }
    expect(await roleOf('setLimit')).toBe(0n)
    await perform(async () => await entrustModule(operation('1'), module))
    expect(await roleOf('setLimit')).toBe(11n)
    expect(await roleOf('setAuthority')).toBe(0n)
    await expect(
      entrustModule(operation('1'), suite.deployment.contracts.CashToken),
    ).rejects.toMatchObject(refusal('not compiled here'))
  })
})
