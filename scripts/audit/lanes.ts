/** Sums by chain account and asset, in atoms. */
export class Lanes {
  readonly #amounts = new Map<string, bigint>()

  add(account: number, asset: number, amount: bigint): void {
    const key = `${account}/${asset}`
    this.#amounts.set(key, this.of(account, asset) + amount)
  }

  of(account: number, asset: number): bigint {
    return this.#amounts.get(`${account}/${asset}`) ?? 0n
  }

  /** Every pair that was ever touched, ascending. */
  *entries(): Generator<{ account: number; asset: number; amount: bigint }> {
    const keys = [...this.#amounts.keys()].map((key) => key.split('/').map(Number))
    for (const [account = 0, asset = 0] of keys.toSorted(compare)) {
      yield { account, asset, amount: this.of(account, asset) }
    }
  }

  /** Pairs where the two differ. */
  differences(other: Lanes): readonly string[] {
    const keys = new Set([...this.#amounts.keys(), ...other.#amounts.keys()])
    return [...keys].filter(
      (key) => (this.#amounts.get(key) ?? 0n) !== (other.#amounts.get(key) ?? 0n),
    )
  }

  /** Σ by asset. */
  sums(): ReadonlyMap<number, bigint> {
    const sums = new Map<number, bigint>()
    for (const { asset, amount } of this.entries())
      sums.set(asset, (sums.get(asset) ?? 0n) + amount)
    return sums
  }
}

function compare([a = 0, b = 0]: number[], [c = 0, d = 0]: number[]): number {
  return a - c || b - d
}

const RECORD_BYTES = 32
const LEG_BYTES = 9

/**
 * Reads the records of a batch, big-endian: count u8, groups u16, then 32 bytes a word: account u32,
 * place u8, three legs {credit u8, amount u64}, lane 2 first. Group g holds the assets 3g … 3g + 2.
 */
export function readRecords(records: Buffer): Lanes {
  const lanes = new Lanes()
  const groups = Array.from({ length: records.readUInt8(0) }, (_, i) =>
    records.readUInt16BE(1 + 2 * i),
  )
  for (let at = 1 + 2 * groups.length; at < records.length; at += RECORD_BYTES) {
    const account = records.readUInt32BE(at)
    const group = groups[records.readUInt8(at + 4)]
    if (group === undefined) throw new RangeError(`a record of account ${account} names no group`)
    for (const lane of [0, 1, 2]) {
      const leg = at + 5 + (2 - lane) * LEG_BYTES
      const amount = records.readBigUInt64BE(leg + 1)
      if (amount === 0n) continue
      lanes.add(account, group * 3 + lane, records.readUInt8(leg) === 1 ? amount : -amount)
    }
  }
  return lanes
}
