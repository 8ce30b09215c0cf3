import type { ChainEvent, RawLog } from './block.ts'
import { WATCHED_CONTRACTS, type Deployment, type WatchedContract } from './deployment.ts'
import { addressOf, type Hex } from './hex.ts'

/** Kinds of arguments: unsigned up to 32 bits, wider ones, signed, and bytes. */
type Kind = 'u8' | 'u16' | 'u32' | 'u64' | 'u128' | 'u256' | 'i64' | 'address' | 'bytes32'

type Fields = readonly (readonly [name: string, kind: Kind])[]

export interface EventLayout {
  readonly contract: WatchedContract
  readonly name: string
  /** Keccak-256 of the signature. */
  readonly topic: Hex
  readonly indexed: Fields
  readonly data: Fields
}

/** The events that the node follows. A test holds names, topics and fields against the ABI. */
export const EVENT_LAYOUTS: readonly EventLayout[] = [
  {
    contract: 'ClearingHouse',
    name: 'BatchSettled',
    topic: '0xb038d9f30d715a37b2c090daad8fe7e65c135e1d3130405a517c9b56b529e0fc',
    indexed: [['sequence', 'u64']],
    data: [
      ['head', 'bytes32'],
      ['journalHash', 'bytes32'],
    ],
  },
  {
    contract: 'ClearingHouse',
    name: 'Deposited',
    topic: '0x3d2bb3b34005e352811bc211d7b6e190bcefcd2c20c90277bd881212b5d17852',
    indexed: [
      ['account', 'u32'],
      ['asset', 'u16'],
    ],
    data: [['amount', 'u256']],
  },
  {
    contract: 'ClearingHouse',
    name: 'Withdrawn',
    topic: '0xe87bd11295a0c4921118b844371564472d5c7922635e8fc681dd36472c24a3c1',
    indexed: [
      ['id', 'bytes32'],
      ['account', 'u32'],
      ['asset', 'u16'],
    ],
    data: [['amount', 'u256']],
  },
  {
    contract: 'ClearingHouse',
    name: 'ExitRequested',
    topic: '0x22f0bbd39772e68a16caa935d437e997aea4854e3db82046a9edf222c0065345',
    indexed: [['account', 'u32']],
    data: [],
  },
  {
    contract: 'ClearingHouse',
    name: 'ExitCancelled',
    topic: '0xf4a503f7c8a20cc4ef09ae6701014abe9ae37c040660965e54bb8158ecc4af44',
    indexed: [['account', 'u32']],
    data: [],
  },
  {
    contract: 'ClearingHouse',
    name: 'ExitExecuted',
    topic: '0x59148331c6d2d4dfcdaee877e66d6f6ff004fbed88f34caca3751dffd5817a81',
    indexed: [
      ['account', 'u32'],
      ['asset', 'u16'],
    ],
    data: [['amount', 'u256']],
  },
  {
    contract: 'ClearingHouse',
    name: 'ExitModeEntered',
    topic: '0x16f46d80cf3435a95c997b7e9bee529c52222dcd500872452da54488f7d6cc82',
    indexed: [],
    data: [],
  },
  {
    contract: 'ClearingHouse',
    name: 'Paused',
    topic: '0x62e78cea01bee320cd4e420270b5ea74000d11b0c9f74754ebdbfc544b05a258',
    indexed: [],
    data: [['account', 'address']],
  },
  {
    contract: 'ClearingHouse',
    name: 'Unpaused',
    topic: '0x5db9ee0a495bf2e6ff9c91a7834c1ba4fdd244a5e8aa4e537bd38aeae4b073aa',
    indexed: [],
    data: [['account', 'address']],
  },
  {
    contract: 'InvestorRegistry',
    name: 'AccountRegistered',
    topic: '0x5b2a9d7f11cd747633f09c8e9667ea6f8dfbd793a82e2cd7e285879afdd6b2c9',
    indexed: [
      ['account', 'u32'],
      ['wallet', 'address'],
    ],
    data: [
      ['class', 'u8'],
      ['expiresAt', 'u64'],
    ],
  },
  {
    contract: 'InvestorRegistry',
    name: 'ClassChanged',
    topic: '0xc85f21c5d6a2cbebaa0e40a7c570dd6c20906e57b3beb13c6aa208457df93917',
    indexed: [['account', 'u32']],
    data: [
      ['class', 'u8'],
      ['expiresAt', 'u64'],
    ],
  },
  {
    contract: 'InvestorRegistry',
    name: 'PrimaryWalletChanged',
    topic: '0x6ea90d71db10e135c5c20f0313b625054e2f696a3e9e9ab6d82050e37adc4362',
    indexed: [
      ['account', 'u32'],
      ['previous', 'address'],
      ['wallet', 'address'],
    ],
    data: [],
  },
  {
    contract: 'InvestorRegistry',
    name: 'Frozen',
    topic: '0x55c224480c0054332a3fb4edfd78c43a1ac7e0741408643445c6f662ee977c20',
    indexed: [['account', 'u32']],
    data: [['documentHash', 'bytes32']],
  },
  {
    contract: 'InvestorRegistry',
    name: 'Unfrozen',
    topic: '0xf7c86f97e15d57a5ca6d49947e9bfb80c1b9dd61ca020d315894fc977388fc1d',
    indexed: [['account', 'u32']],
    data: [['documentHash', 'bytes32']],
  },
  {
    contract: 'AssetRegistry',
    name: 'AssetCreated',
    topic: '0x930cabc788e63220785127fcb6d44de1f9259fef09bdba705eb34b3e36872f57',
    indexed: [
      ['asset', 'u16'],
      ['token', 'address'],
    ],
    data: [
      ['decimals', 'u8'],
      ['allowedClasses', 'u128'],
    ],
  },
  {
    contract: 'AssetRegistry',
    name: 'ExternalListed',
    topic: '0xa093aa4c8e9709f6572e271b1ee1e83d7251ef1dcc6eb7fd2712c44027a14c50',
    indexed: [
      ['asset', 'u16'],
      ['token', 'address'],
    ],
    data: [
      ['scale', 'u64'],
      ['allowedClasses', 'u128'],
    ],
  },
  {
    contract: 'SupplyController',
    name: 'SupplyApplied',
    topic: '0x6afbafd3c67295363a0a165c17164988ef39b31e070f4b037cdaeef3b6c0770b',
    indexed: [['asset', 'u16']],
    data: [
      ['change', 'i64'],
      ['totalSupply', 'u256'],
    ],
  },
  {
    contract: 'SupplyController',
    name: 'RedemptionSettled',
    topic: '0x20c4da32e35b1c448aefdbe0c0d40673055c0258a677c5597de309791ccc0542',
    indexed: [
      ['id', 'u256'],
      ['asset', 'u16'],
      ['account', 'u32'],
    ],
    data: [
      ['amount', 'u256'],
      ['cash', 'u256'],
      ['totalSupply', 'u256'],
      ['documentHash', 'bytes32'],
    ],
  },
]

const WORD_DIGITS = 64
const SMALL_PREFIX = '0'.repeat(WORD_DIGITS - 8)
const UNSIGNED_BITS: Partial<Record<Kind, number>> = {
  u8: 8,
  u16: 16,
  u32: 32,
  u64: 64,
  u128: 128,
  u256: 256,
  address: 160,
}

/** Reads the events of one deployment by fixed offsets. */
export class Decoders {
  /** By address, then by topic. */
  readonly #layouts: ReadonlyMap<string, ReadonlyMap<string, EventLayout>>
  /** What to ask an endpoint for. */
  readonly addresses: readonly Hex[]
  readonly topics: readonly Hex[]

  constructor(deployment: Deployment) {
    const watched = WATCHED_CONTRACTS.flatMap((name) => {
      const address = deployment.contracts[name]
      return address === undefined ? [] : [[addressOf(address, name), name] as const]
    })
    this.#layouts = new Map(
      watched.map(([address, name]) => [
        address,
        new Map(
          EVENT_LAYOUTS.filter(({ contract }) => contract === name).map((layout) => [
            layout.topic,
            layout,
          ]),
        ),
      ]),
    )
    this.addresses = watched.map(([address]) => address)
    this.topics = [...new Set(EVENT_LAYOUTS.map(({ topic }) => topic))]
  }

  /** `odd` is a log of our own contract that its layout does not explain. */
  decode(log: RawLog): ChainEvent | 'foreign' | 'odd' {
    const layouts = this.#layouts.get(log.address)
    if (layouts === undefined) return 'foreign'
    const layout = layouts.get(log.topics[0] ?? '')
    if (layout === undefined) return 'odd'
    const args = decodeArguments(layout, log)
    if (args === undefined) return 'odd'
    const { contract, name } = layout
    return { contract, name, log_index: log.logIndex, tx_hash: log.transactionHash, args }
  }
}

function decodeArguments(layout: EventLayout, log: RawLog): ChainEvent['args'] | undefined {
  const { indexed, data } = layout
  if (log.topics.length !== indexed.length + 1) return undefined
  if (log.data.length !== 2 + data.length * WORD_DIGITS) return undefined
  const args: Record<string, number | string> = {}
  for (const [place, [name, kind]] of indexed.entries()) {
    const value = decodeWord((log.topics[place + 1] ?? '').slice(2), kind)
    if (value === undefined) return undefined
    args[name] = value
  }
  for (const [place, [name, kind]] of data.entries()) {
    const from = 2 + place * WORD_DIGITS
    const value = decodeWord(log.data.slice(from, from + WORD_DIGITS), kind)
    if (value === undefined) return undefined
    args[name] = value
  }
  return args
}

/** One word of 64 digits; undefined when bits outside the kind are set. */
function decodeWord(digits: string, kind: Kind): number | string | undefined {
  if (digits.length !== WORD_DIGITS) return undefined
  if (kind === 'bytes32') return `0x${digits}`
  if (digits.startsWith(SMALL_PREFIX))
    return decodeSmall(Number.parseInt(digits.slice(-8), 16), kind)
  const word = BigInt(`0x${digits}`)
  if (kind === 'i64') return decodeSigned(word)
  const bits = UNSIGNED_BITS[kind] ?? 0
  if (word >> BigInt(bits) !== 0n) return undefined
  if (kind === 'address') return `0x${digits.slice(24)}`
  return bits <= 32 ? Number(word) : word.toString()
}

/** The same of a word below 2^32, which most are, without big integers. */
function decodeSmall(word: number, kind: Kind): number | string | undefined {
  const bits = UNSIGNED_BITS[kind] ?? 64
  if (bits < 32 && word >>> bits !== 0) return undefined
  if (kind === 'address') return `0x${word.toString(16).padStart(40, '0')}`
  return bits <= 32 ? word : word.toString()
}

function decodeSigned(word: bigint): string | undefined {
  const value = BigInt.asIntN(256, word)
  return BigInt.asIntN(64, value) === value ? value.toString() : undefined
}
