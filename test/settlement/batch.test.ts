import fc from 'fast-check'
import { AbiCoder, keccak256, TypedDataEncoder } from 'ethers'
import { describe, expect, it } from 'vitest'
import { delta } from '#kernel/money.ts'
import {
  assertBalanced,
  BATCH_STATUSES,
  canBecome,
  KIND_NUMBERS,
  nettingRatio,
  tradeStatus,
  type BatchHeader,
  type BatchKind,
  type Hex,
} from '#settlement/batch.ts'
import { genesisHead, headOf, keccakOf } from '#settlement/keccak-adapter.ts'
import { decodeRecords, encodeRecords } from '#settlement/records.ts'

const HEADER_FIELDS = [
  { name: 'prevHead', type: 'bytes32' },
  { name: 'sequence', type: 'uint64' },
  { name: 'kind', type: 'uint8' },
  { name: 'closeTime', type: 'uint64' },
  { name: 'supplyAsset', type: 'uint16' },
  { name: 'supplyChange', type: 'int64' },
  { name: 'recordsHash', type: 'bytes32' },
  { name: 'tradesRoot', type: 'bytes32' },
  { name: 'liabilitiesRoot', type: 'bytes32' },
  { name: 'journalHash', type: 'bytes32' },
]

const hash = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes): Hex => `0x${Buffer.from(bytes).toString('hex')}`)
const kind = fc.constantFrom<BatchKind>('trade', 'supply', 'heartbeat')
const header: fc.Arbitrary<BatchHeader> = fc.record({
  prevHead: hash,
  sequence: fc.bigInt(0n, 2n ** 64n - 1n),
  kind,
  closeTime: fc.bigInt(0n, 2n ** 64n - 1n),
  supplyAsset: fc.integer({ min: 0, max: 65_535 }),
  supplyChange: fc.bigInt(-(2n ** 63n) + 1n, 2n ** 63n - 1n),
  recordsHash: hash,
  tradesRoot: hash,
  liabilitiesRoot: hash,
  journalHash: hash,
})

const deltaList = fc
  .uniqueArray(
    fc.record({
      account: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 2 ** 32 - 1 })),
      asset: fc.oneof(fc.integer({ min: 0, max: 11 }), fc.integer({ min: 0, max: 65_535 })),
      amount: fc
        .bigInt(-(2n ** 63n) + 1n, 2n ** 63n - 1n)
        .filter((n) => n !== 0n)
        .map(delta),
    }),
    { selector: (d) => `${d.account}/${d.asset}`, maxLength: 80 },
  )
  .map((list) => list.toSorted((a, b) => a.account - b.account || a.asset - b.asset))

describe('the head', () => {
  it('is what EIP-712 calls the hashStruct of the header', () => {
    fc.assert(
      fc.property(header, (value) => {
        const typed = { ...value, kind: KIND_NUMBERS[value.kind] }
        expect(headOf(value)).toBe(
          TypedDataEncoder.hashStruct('BatchHeader', { BatchHeader: HEADER_FIELDS }, typed),
        )
      }),
    )
  })

  it('starts from chain and vault', () => {
    const vault = '0x5FbDB2315678afecb367f032d93F642f64180aa3'
    const encoded = AbiCoder.defaultAbiCoder().encode(
      ['string', 'uint256', 'address'],
      ['mooring.head.v1', 31337n, vault],
    )
    expect(genesisHead(31337, vault.toLowerCase())).toBe(keccak256(encoded))
    expect(genesisHead(1, vault)).not.toBe(genesisHead(31337, vault))
  })
})

describe('records', () => {
  it('read back as they were written', () => {
    fc.assert(
      fc.property(deltaList, (list) => {
        expect(decodeRecords(encodeRecords(list))).toEqual(list)
      }),
    )
  })

  it('ascend strictly by account and place of the group', () => {
    fc.assert(
      fc.property(deltaList, (list) => {
        const bytes = encodeRecords(list)
        const prefix = 1 + (bytes[0] ?? 0) * 2
        const keys: string[] = []
        for (let at = prefix; at < bytes.length; at += 32) {
          keys.push(bytes.subarray(at, at + 5).toString('hex'))
        }
        expect(keys).toEqual([...new Set(keys)].toSorted())
      }),
    )
  })

  it('put a leg where its lane sits, lane 2 first', () => {
    const bytes = encodeRecords([
      { account: 16, asset: 3, amount: delta(5n) },
      { account: 16, asset: 5, amount: delta(-6n) },
    ])
    expect(bytes.toString('hex')).toBe(
      [
        '01',
        '0001',
        '00000010',
        '00',
        '000000000000000006',
        '00'.repeat(9),
        '010000000000000005',
      ].join(''),
    )
  })

  it('of nothing are one zero byte', () => {
    expect(encodeRecords([]).toString('hex')).toBe('00')
    expect(keccakOf('0x00')).toBe(keccak256('0x00'))
  })
})

describe('a batch', () => {
  const trade = { kind: 'trade', supplyAsset: 0, supplyChange: 0n } as const
  const mint = { account: 17, asset: 3, amount: delta(9n) }

  it('of trades sums to zero per asset', () => {
    const debit = { account: 16, asset: 3, amount: delta(-9n) }
    expect(() => assertBalanced(trade, [debit, mint])).not.toThrow()
    expect(() => assertBalanced(trade, [mint])).toThrow()
  })

  it('of supply sums to the change it declares, of that asset only', () => {
    expect(() =>
      assertBalanced({ kind: 'supply', supplyAsset: 3, supplyChange: 9n }, [mint]),
    ).not.toThrow()
    expect(() =>
      assertBalanced({ kind: 'supply', supplyAsset: 3, supplyChange: 8n }, [mint]),
    ).toThrow()
    expect(() =>
      assertBalanced({ kind: 'supply', supplyAsset: 4, supplyChange: 9n }, [mint]),
    ).toThrow()
  })

  it('goes through its statuses in order and steps back only on a retraction', () => {
    expect(canBecome('netted', 'submitted')).toBe(true)
    expect(canBecome('mined', 'submitted')).toBe(true)
    expect(canBecome('reverted', 'netted')).toBe(true)
    expect(BATCH_STATUSES.filter((to) => canBecome('final', to))).toEqual([])
    expect(BATCH_STATUSES.filter((to) => canBecome('abandoned', to))).toEqual([])
    expect(canBecome('mined', 'reverted')).toBe(false)
  })

  it('that reverted leaves its trades netted, since the same header goes out again', () => {
    expect(tradeStatus('reverted')).toBe('netted')
    expect(tradeStatus(undefined)).toBe('unsettled')
  })

  it('tells how many transfers a delta stands for', () => {
    expect(nettingRatio(30, 4)).toBe(7.5)
    expect(nettingRatio(30, 0)).toBeNull()
  })
})
