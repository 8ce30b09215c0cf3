import { Transaction, Wallet } from 'ethers'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { present } from '#kernel/assert.ts'
import { REGISTRAR_KEY, until } from './chain-lab.ts'
import { ORDER, swallow, TxRig } from './tx-rig.ts'

let rig: TxRig

beforeEach(async () => {
  rig = await TxRig.start()
})

afterEach(async () => {
  await rig.stop()
})

async function holdBlocks(): Promise<void> {
  await rig.suite.chain.rpc('evm_setAutomine', [false])
}

/** Blocks that cost next to nothing. */
async function mineUntilMined(key: string): Promise<void> {
  await until(async () => {
    await rig.suite.chain.rpc('anvil_setNextBlockBaseFeePerGas', ['0x1'])
    await rig.suite.mine(1)
    return ['mined', 'final'].includes((await rig.find(key)).state)
  })
}

it('pays more at the same nonce for what blocks leave out, and one attempt alone is mined', async () => {
  await rig.watch()
  await rig.manage({ bumpBlocks: 2 })
  await holdBlocks()
  const id = await rig.register(20)
  const first = await rig.state('register:20', 'broadcast')
  await rig.mineDear(2)
  const attempts = await until(async () => {
    const made = await rig.attempts(id)
    return made.length > 1 && made
  })
  const [before, after] = [present(attempts[0], 'first'), present(attempts[1], 'second')]
  expect(after.nonce).toBe(before.nonce)
  expect(after.kind).toBe('intent')
  expect(BigInt(after.max_fee_wei) * 8n).toBeGreaterThanOrEqual(BigInt(before.max_fee_wei) * 9n)
  await mineUntilMined('register:20')
  expect((await rig.find('register:20')).hash).not.toBe(first.hash)
  expect(await rig.isRegistered(20)).toBe(true)
  await rig.suite.mine(2)
  await rig.state('register:20', 'final')
})

it('counts the receipt of an older attempt that a miner kept', async () => {
  await rig.watch()
  let isLost = false
  const rpc = await rig.rpcThrough((body) => (isLost ? swallow(body) : undefined))
  await rig.manage({ rpc, bumpBlocks: 2 })
  await holdBlocks()
  const id = await rig.register(20)
  const first = await rig.state('register:20', 'broadcast')
  isLost = true
  await rig.mineDear(2)
  await until(async () => (await rig.attempts(id)).length > 1)
  await rig.suite.chain.rpc('anvil_setNextBlockBaseFeePerGas', ['0x1'])
  await rig.suite.mine(1)
  await rig.suite.chain.rpc('eth_sendRawTransaction', [(await rig.attempts(id))[0]?.raw])
  await mineUntilMined('register:20')
  expect((await rig.find('register:20')).hash).toBe(first.hash)
})

it('stays at the ceiling, says so, and goes on when blocks are cheap again', async () => {
  await rig.watch()
  const manager = await rig.manage({ bumpBlocks: 1, feeCeilingWei: 3_000_000_000n })
  await holdBlocks()
  await rig.suite.chain.rpc('anvil_setNextBlockBaseFeePerGas', ['0x3b9aca00'])
  await rig.suite.mine(1)
  const id = await rig.register(20)
  await rig.state('register:20', 'broadcast')
  await rig.mineDear(2)
  await rig.breaker('fee_ceiling', true)
  await until(() => manager.health().detail?.includes('fee_ceiling'))
  await rig.register(21)
  for (const { max_fee_wei: fee } of await rig.attempts(id)) {
    expect(BigInt(fee)).toBeLessThanOrEqual(3_000_000_000n)
  }
  expect((await rig.find('register:21')).state).toBe('requested')
  await mineUntilMined('register:20')
  await rig.breaker('fee_ceiling', false)
  await mineUntilMined('register:21')
})

it('cancels by a payment to itself, which counts at finality only', async () => {
  await rig.watch()
  await rig.manage()
  await holdBlocks()
  const id = await rig.register(20)
  await rig.register(21)
  await rig.state('register:21', 'broadcast')
  await rig.desk.cancel(id, ORDER)
  await rig.state('register:20', 'cancelling')
  const [intent, cancel] = await until(async () => {
    const made = await rig.attempts(id)
    return made.length === 2 && made
  })
  expect(cancel?.kind).toBe('cancel')
  expect(cancel?.nonce).toBe(intent?.nonce)
  const payment = Transaction.from(cancel?.raw)
  expect(payment).toMatchObject({ to: payment.from, value: 0n, data: '0x', gasLimit: 21_000n })
  await until(async () => await rig.suite.provider.getTransaction(cancel?.hash ?? ''))
  await rig.suite.mine(1)
  await rig.state('register:21', 'mined')
  expect((await rig.find('register:20')).state).toBe('cancelling')
  await rig.suite.mine(2)
  expect((await rig.state('register:20', 'cancelled')).error).toMatch(/\S/)
  expect(await rig.isRegistered(20)).toBe(false)
  expect(await rig.isRegistered(21)).toBe(true)
  const keys = (await rig.lab.events())
    .flatMap(({ data }) => data['receipts'])
    .filter((receipt) => receipt !== undefined)
  expect(JSON.stringify(keys)).toContain('"cancel:register:20"')
})

it('never calls cancelled what was mined before the cancelling payment', async () => {
  await rig.watch()
  let isLost = false
  const rpc = await rig.rpcThrough((body) => (isLost ? swallow(body) : undefined))
  await rig.manage({ rpc })
  await holdBlocks()
  const id = await rig.register(20)
  const first = await rig.state('register:20', 'broadcast')
  isLost = true
  await rig.desk.cancel(id, ORDER)
  await rig.state('register:20', 'cancelling')
  await rig.suite.mine(1)
  expect((await rig.state('register:20', 'mined')).hash).toBe(first.hash)
  await rig.suite.mine(2)
  await rig.state('register:20', 'final')
  await expect(rig.desk.cancel(id, ORDER)).rejects.toMatchObject({ code: 'chain.transaction_over' })
})

it('sends the stored cancelling payment after a crash before it was sent', async () => {
  await rig.watch()
  await holdBlocks()
  let isDown = false
  const rpc = await rig.rpcThrough((body) => {
    return isDown && body.includes('eth_sendRawTransaction') ? '' : undefined
  })
  const dying = await rig.lab.txManager({ rpc })
  const id = await rig.register(20)
  await rig.state('register:20', 'broadcast')
  isDown = true
  await rig.desk.cancel(id, ORDER)
  await rig.state('register:20', 'cancelling')
  await dying.stop()
  await rig.lab.resign()
  const stored = (await rig.attempts(id)).map(({ raw }) => raw)
  await rig.manage()
  await rig.watch()
  await until(async () => {
    const hash = (await rig.find('register:20')).hash ?? ''
    return (await rig.suite.provider.getTransaction(hash)) !== null
  })
  await rig.suite.mine(3)
  await rig.state('register:20', 'cancelled')
  expect((await rig.attempts(id)).map(({ raw }) => raw)).toEqual(stored)
})

it('sends again what every pool has dropped', async () => {
  await rig.watch()
  await rig.manage({ bumpBlocks: 1000 })
  await holdBlocks()
  await rig.register(20)
  const { hash } = await rig.state('register:20', 'broadcast')
  await rig.suite.chain.rpc('anvil_dropTransaction', [hash])
  await mineUntilMined('register:20')
  expect((await rig.find('register:20')).hash).toBe(hash)
})

it('cancels at once what has no nonce yet', async () => {
  await rig.watch()
  await rig.manage({ feeCeilingWei: 1n })
  const id = await rig.register(20)
  await rig.breaker('fee_ceiling', true)
  await rig.desk.cancel(id, ORDER)
  await rig.state('register:20', 'cancelled')
  expect(await rig.attempts(id)).toEqual([])
  await expect(rig.desk.resume(id, ORDER)).rejects.toMatchObject({
    code: 'chain.transaction_not_held',
  })
})

it('stops a signer whose nonce somebody else used, until people looked at it', async () => {
  await rig.watch()
  const rpc = await rig.rpcThrough((body) =>
    body.includes('eth_sendRawTransaction') ? '' : undefined,
  )
  const dying = await rig.lab.txManager({ rpc })
  const id = await rig.register(20)
  await rig.state('register:20', 'signed')
  await dying.stop()
  await rig.lab.resign()
  await rig.watch()
  const thief = new Wallet(REGISTRAR_KEY, rig.suite.provider)
  await (await thief.sendTransaction({ to: thief.address, value: 1n })).wait()
  await rig.manage()
  await rig.state('register:20', 'held')
  await rig.breaker('external_nonce', true)
  await rig.register(21)
  await rig.desk.resume(id, ORDER)
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect((await rig.find('register:20')).state).toBe('held')
  await rig.suite.mine(2)
  await rig.state('register:20', 'requested')
  expect((await rig.find('register:21')).state).toBe('requested')
  await rig.desk.resetBreaker('external_nonce', ORDER)
  await rig.state('register:21', 'mined')
  expect(await rig.isRegistered(20)).toBe(true)
  const [lost, taken] = (await rig.attempts(id)).map(({ nonce }) => nonce)
  expect(taken).toBe((lost ?? 0n) + 1n)
})

it('signs nothing more from the first sign that somebody else uses the key', async () => {
  await rig.watch()
  const rpc = await rig.rpcThrough((body) =>
    body.includes('eth_sendRawTransaction') ? '' : undefined,
  )
  const dying = await rig.lab.txManager({ rpc })
  await rig.register(20)
  await rig.state('register:20', 'signed')
  await dying.stop()
  await rig.lab.resign()
  await rig.watch()
  const thief = new Wallet(REGISTRAR_KEY, rig.suite.provider)
  await (await thief.sendTransaction({ to: thief.address, value: 1n })).wait()
  const queued = await rig.register(21)
  await rig.manage()
  await rig.state('register:20', 'held')
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(await rig.attempts(queued)).toEqual([])
  expect((await rig.find('register:21')).state).toBe('requested')
})

it('signs nothing behind what somebody else sent before that is final', async () => {
  await rig.watch()
  const first = await rig.manage()
  await rig.register(20)
  await rig.state('register:20', 'mined')
  await first.stop()
  const thief = new Wallet(REGISTRAR_KEY, rig.suite.provider)
  await (await thief.sendTransaction({ to: thief.address, value: 1n })).wait()
  const queued = await rig.register(21)
  await rig.lab.resign()
  await rig.watch()
  const second = await rig.manage()
  await until(() => second.health().detail?.includes('register:21 waits: somebody else used'))
  expect(await rig.attempts(queued)).toEqual([])
  await rig.suite.mine(2)
  await rig.state('register:21', 'mined')
  expect((await rig.attempts(queued)).map(({ nonce }) => nonce)).toEqual([2n])
})
