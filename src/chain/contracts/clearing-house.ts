import { assert, present } from '#kernel/assert.ts'
import { hexOf, type Hex } from '../hex.ts'
import { encodeCall } from './abi-adapter.ts'

/** A header as the contract takes it; `kind` 1 trade, 2 supply, 3 heartbeat. */
export interface SettleHeader {
  readonly prevHead: string
  readonly sequence: bigint
  readonly kind: number
  /** Unix seconds. */
  readonly closeTime: bigint
  readonly supplyAsset: number
  /** Atoms, signed. */
  readonly supplyChange: bigint
  readonly recordsHash: string
  readonly tradesRoot: string
  readonly liabilitiesRoot: string
  readonly journalHash: string
}

export interface WithdrawCall {
  /** 32 bytes, never used before. */
  readonly id: string
  readonly account: number
  readonly asset: number
  /** Atoms. */
  readonly amount: bigint
}

const CONTRACT = 'ClearingHouse'
const WORD_DIGITS = 64

/** `settle(header, records, attestations)`; attestations ascend by signer. */
export function encodeSettle(
  header: SettleHeader,
  records: string,
  attestations: readonly string[],
): Hex {
  return encodeCall(CONTRACT, 'settle', [header, records, attestations])
}

export function encodeWithdraw({ id, account, asset, amount }: WithdrawCall): Hex {
  return encodeCall(CONTRACT, 'withdraw', [id, account, asset, amount])
}

/** Lanes of the pairs (accounts[i], assets[i]); read the answer with `decodeAmounts`. */
export function encodeBalancesOf(accounts: readonly number[], assets: readonly number[]): Hex {
  assert(accounts.length === assets.length, 'one asset per account')
  return encodeCall(CONTRACT, 'balancesOf', [accounts, assets])
}

/** Sum of all lanes of an asset; read the answer with `decodeAmount`. */
export function encodeTotalOf(asset: number): Hex {
  return encodeCall(CONTRACT, 'totalOf', [asset])
}

/** Hash of the last header; the answer is the hash itself. */
export function encodeHead(): Hex {
  return encodeCall(CONTRACT, 'head', [])
}

/** Batches settled so far; read the answer with `decodeAmount`. */
export function encodeSequence(): Hex {
  return encodeCall(CONTRACT, 'sequence', [])
}

/** How many attestations a batch needs; read the answer with `decodeAmount`. */
export function encodeThreshold(): Hex {
  return encodeCall(CONTRACT, 'threshold', [])
}

/** Hourly cap of an asset and what the hour has used of it; read the answer with `decodeCap`. */
export function encodeTurnoverOf(asset: number): Hex {
  return encodeCall(CONTRACT, 'turnoverOf', [asset])
}

/** Atoms; 0 is no cap. */
export function decodeCap(data: string): bigint {
  const [cap, used] = wordsOf(data)
  assert(cap !== undefined && used !== undefined, 'a cap and what is used of it')
  return cap
}

/** One unsigned word. */
export function decodeAmount(data: string): bigint {
  const words = wordsOf(data)
  assert(words.length === 1, `one word, not ${words.length}`)
  return present(words[0], 'word')
}

/** An array of unsigned words. */
export function decodeAmounts(data: string): readonly bigint[] {
  const [offset, length, ...values] = wordsOf(data)
  assert(offset === 32n && length === BigInt(values.length), 'an array of words')
  return values
}

function wordsOf(data: string): readonly bigint[] {
  const digits = hexOf(data, 'answer of a call').slice(2)
  assert(digits.length > 0 && digits.length % WORD_DIGITS === 0, 'an answer of whole words')
  const words: bigint[] = []
  for (let at = 0; at < digits.length; at += WORD_DIGITS) {
    words.push(BigInt(`0x${digits.slice(at, at + WORD_DIGITS)}`))
  }
  return words
}
