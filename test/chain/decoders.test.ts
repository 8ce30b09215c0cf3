import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Decoders, EVENT_LAYOUTS } from '#chain/decoders.ts'
import { interfaceOf } from '#chain/contracts/abi-adapter.ts'
import { WATCHED_CONTRACTS } from '#chain/deployment.ts'
import abi from '#chain/contracts/abi.json' with { type: 'json' }
import type { RawLog } from '#chain/block.ts'
import { hashOf, hexOf } from '#chain/hex.ts'
import { present } from '#kernel/assert.ts'
import { IGNORED_EVENTS } from './ignored-events.ts'

const contracts = Object.fromEntries(
  WATCHED_CONTRACTS.map((name, place) => [name, `0x${(place + 1).toString(16).repeat(40)}`]),
)
const decoders = new Decoders({ chainId: 31_337, deployedAt: 1, contracts })
const SOLIDITY: Readonly<Record<string, string>> = {
  u8: 'uint8',
  u16: 'uint16',
  u32: 'uint32',
  u64: 'uint64',
  u128: 'uint128',
  u256: 'uint256',
  i64: 'int64',
  address: 'address',
  bytes32: 'bytes32',
}

const hexText = (bytes: number) =>
  fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .map((value) => `0x${Buffer.from(value).toString('hex')}`)

function valueOf(kind: string): fc.Arbitrary<bigint | string> {
  if (kind === 'address') return hexText(20)
  if (kind === 'bytes32') return hexText(32)
  if (kind === 'i64') return fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)
  return fc.bigInt(0n, 2n ** BigInt(kind.slice(1)) - 1n)
}

function logOf(contract: string, topics: readonly string[], data: string): RawLog {
  return {
    blockHash: hashOf(`0x${'ab'.repeat(32)}`, 'block'),
    transactionHash: hashOf(`0x${'cd'.repeat(32)}`, 'transaction'),
    logIndex: 3,
    address: hexOf(contracts[contract], 'address'),
    topics: topics.map((topic) => hashOf(topic, 'topic')),
    data: hexOf(data, 'data'),
  }
}

describe.each(EVENT_LAYOUTS)('$contract.$name', (layout) => {
  const { contract, name } = layout
  const event = present(interfaceOf(contract).getEvent(name), name)
  const fields = [...layout.indexed, ...layout.data]

  it('has the topic, names and types of the ABI', () => {
    expect(layout.topic).toBe(event.topicHash)
    expect(fields.map(([field, kind]) => [field, SOLIDITY[kind]])).toEqual(
      event.inputs.map((input) => [input.name, input.type]),
    )
    expect(event.inputs.map((input) => input.indexed === true)).toEqual(
      fields.map((_, place) => place < layout.indexed.length),
    )
  })

  it('reads what ethers writes', () => {
    fc.assert(
      fc.property(fc.tuple(...fields.map(([, kind]) => valueOf(kind))), (values) => {
        const { data, topics } = interfaceOf(contract).encodeEventLog(event, values)
        const decoded = decoders.decode(logOf(contract, topics, data))
        expect(decoded).toEqual({
          contract,
          name,
          log_index: 3,
          tx_hash: `0x${'cd'.repeat(32)}`,
          args: Object.fromEntries(
            fields.map(([field, kind], place) => {
              const value = values[place]
              const isSmall = ['u8', 'u16', 'u32'].includes(kind)
              return [field, isSmall ? Number(value) : String(value)]
            }),
          ),
        })
      }),
      { numRuns: 50 },
    )
  })
})

describe('the events of the contracts', () => {
  const followed = EVENT_LAYOUTS.map(({ contract, name }) => `${contract}.${name}`)
  const ignored = Object.entries(IGNORED_EVENTS).flatMap(([contract, events]) =>
    Object.keys(events).map((name) => `${contract}.${name}`),
  )
  const all = Object.entries(abi).flatMap(([contract, entries]) =>
    entries.filter(({ type }) => type === 'event').map((entry) => `${contract}.${entry.name}`),
  )

  it('are each followed, or left out for a reason, and never both', () => {
    expect([...followed, ...ignored].toSorted()).toEqual([...new Set(all)].toSorted())
    expect(new Set(followed).isDisjointFrom(new Set(ignored))).toBe(true)
  })
})

describe('a log that does not fit its layout', () => {
  const deposited = present(interfaceOf('ClearingHouse').getEvent('Deposited'), 'Deposited')
  const { data, topics } = interfaceOf('ClearingHouse').encodeEventLog(deposited, [17, 1, 5n])

  it('is odd when words are missing or too many', () => {
    expect(decoders.decode(logOf('ClearingHouse', topics, '0x'))).toBe('odd')
    expect(decoders.decode(logOf('ClearingHouse', topics, `${data}${'00'.repeat(32)}`))).toBe('odd')
    expect(decoders.decode(logOf('ClearingHouse', topics.slice(0, 2), data))).toBe('odd')
  })

  it('is odd when a value leaves its type', () => {
    const wide = [present(topics[0], 'topic'), `0x${'1'.repeat(64)}`, present(topics[2], 'topic')]
    expect(decoders.decode(logOf('ClearingHouse', wide, data))).toBe('odd')
  })

  it('is odd when a contract of ours sends an event of another', () => {
    expect(decoders.decode(logOf('InvestorRegistry', topics, data))).toBe('odd')
  })

  it('is foreign when it is not of our contracts', () => {
    const log = {
      ...logOf('ClearingHouse', topics, data),
      address: hexOf(`0x${'9'.repeat(40)}`, ''),
    }
    expect(decoders.decode(log)).toBe('foreign')
  })
})
