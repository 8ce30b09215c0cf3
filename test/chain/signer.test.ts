import { createServer, type Server } from 'node:http'
import { Transaction, Wallet } from 'ethers'
import { afterEach, describe, expect, it } from 'vitest'
import { makeKeystore, readKeystore } from '#chain/keystore-adapter.ts'
import { RemoteSigner } from '#chain/remote-signer-adapter.ts'
import { LocalSigner } from '#chain/signer-adapter.ts'
import type { UnsignedTransaction } from '#chain/signer.ts'
import { freePort } from '../../scripts/free-port.ts'

const KEY = `0x${'02'.repeat(32)}`
const OTHER = `0x${'03'.repeat(32)}`
const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const { address } = new Wallet(KEY)

const UNSIGNED: UnsignedTransaction = {
  chainId: 31_337,
  nonce: 7,
  to: `0x${'44'.repeat(20)}`,
  data: '0x1234',
  gasLimit: 60_000n,
  fees: { maxFeeWei: 30n, priorityFeeWei: 2n },
}

let server: Server | undefined

afterEach(async () => {
  server?.closeAllConnections()
  await new Promise<void>((resolve) => server?.close(() => resolve()) ?? resolve())
  server = undefined
})

type Asked = Readonly<Record<string, string>>

/** A process with a key, as web3signer is one. */
async function serveSigner(sign: (asked: Asked) => unknown): Promise<RemoteSigner> {
  const port = await freePort()
  server = createServer((request, response) => {
    let text = ''
    request.on('data', (part: Buffer) => (text += part.toString()))
    request.on('end', () => {
      const { id, method, params } = JSON.parse(text)
      expect(method).toBe('eth_signTransaction')
      response.end(JSON.stringify({ jsonrpc: '2.0', id, ...(sign(params[0]) as object) }))
    })
  })
  await new Promise<void>((resolve) => server?.listen(port, '127.0.0.1', resolve))
  return new RemoteSigner({ url: `http://127.0.0.1:${port}`, address, timeoutMs: 2000 })
}

function transactionOf(asked: Asked): Transaction {
  return Transaction.from({
    type: 2,
    to: asked['to'] ?? null,
    data: asked['data'] ?? '0x',
    value: asked['value'] ?? 0,
    nonce: Number(asked['nonce']),
    gasLimit: asked['gas'] ?? 0,
    chainId: asked['chainId'] ?? 0,
    maxFeePerGas: asked['maxFeePerGas'] ?? 0,
    maxPriorityFeePerGas: asked['maxPriorityFeePerGas'] ?? 0,
  })
}

function signWith(key: string, asked: Asked): string {
  const transaction = transactionOf(asked)
  transaction.signature = new Wallet(key).signingKey.sign(transaction.unsignedHash)
  return transaction.serialized
}

describe('a remote signer', () => {
  it('gives the very bytes that the key in memory gives', async () => {
    const remote = await serveSigner((asked) => ({ result: signWith(KEY, asked) }))
    expect(await remote.sign(UNSIGNED)).toEqual(await new LocalSigner(KEY).sign(UNSIGNED))
  })

  it('takes the answer of geth, which has the bytes in an object', async () => {
    const remote = await serveSigner((asked) => ({ result: { raw: signWith(KEY, asked) } }))
    expect((await remote.sign(UNSIGNED)).hash).toMatch(/^0x[\da-f]{64}$/)
  })

  it.each<[string, (asked: Asked) => object]>([
    ['another key', (asked) => ({ result: signWith(OTHER, asked) })],
    ['another nonce', (asked) => ({ result: signWith(KEY, { ...asked, nonce: '0x8' }) })],
    ['another target', (asked) => ({ result: signWith(KEY, { ...asked, to: address }) })],
    ['a value', (asked) => ({ result: signWith(KEY, { ...asked, value: '0x1' }) })],
    ['another chain', (asked) => ({ result: signWith(KEY, { ...asked, chainId: '0x1' }) })],
    ['higher fees', (asked) => ({ result: signWith(KEY, { ...asked, maxFeePerGas: '0xff' }) })],
    ['no signature', (asked) => ({ result: transactionOf(asked).unsignedSerialized })],
    ['a high s', (asked) => ({ result: withHighS(signWith(KEY, asked)) })],
    ['nonsense', () => ({ result: '0x02ffff' })],
    ['a refusal', () => ({ error: { code: -32_000, message: 'locked' } })],
  ])('is refused when it answers with %s', async (_what, answer) => {
    const remote = await serveSigner(answer)
    await expect(remote.sign(UNSIGNED)).rejects.toMatchObject({ code: 'chain.signer_failed' })
  })

  it('is refused when it is away', async () => {
    const remote = new RemoteSigner({ url: `http://127.0.0.1:${await freePort()}`, address })
    await expect(remote.sign(UNSIGNED)).rejects.toMatchObject({ code: 'chain.signer_failed' })
  })
})

/** The same signature in its other form, which chains refuse since EIP-2. */
function withHighS(raw: string): string {
  const s = BigInt(Transaction.from(raw).signature?.s ?? 0)
  const hex = (value: bigint) => value.toString(16).padStart(64, '0')
  const flipped = raw.replace(hex(s), hex(N - s))
  expect(flipped).not.toBe(raw)
  return flipped
}

describe('a keystore', () => {
  it('gives the key back for its password alone', () => {
    const { json, address: made } = makeKeystore('correct horse')
    expect(json).not.toContain('correct horse')
    expect(new LocalSigner(readKeystore(json, 'correct horse')).address).toBe(made)
    expect(() => readKeystore(json, 'wrong horse')).toThrow(
      expect.objectContaining({ code: 'chain.keystore_unreadable' }),
    )
    expect(() => readKeystore('{}', 'x')).toThrow(
      expect.objectContaining({ code: 'chain.keystore_unreadable' }),
    )
  })
})
