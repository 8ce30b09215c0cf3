/** Highest gas limit of one transaction (EIP-7825). */
export const MAX_TRANSACTION_GAS = 16_777_216n
/** Above this a transaction waits for cheaper blocks. */
export const FEE_CEILING_WEI = 500_000_000_000n
/** What a payment without data takes. */
export const PAYMENT_GAS = 21_000n

export interface Fees {
  /** Wei per gas. */
  readonly maxFeeWei: bigint
  readonly priorityFeeWei: bigint
}

/** A fifth above the estimate, within the caps; undefined when the estimate is beyond them. */
export function gasLimitFor(estimate: bigint, cap: bigint | undefined): bigint | undefined {
  const most = cap === undefined || cap > MAX_TRANSACTION_GAS ? MAX_TRANSACTION_GAS : cap
  if (estimate > most) return undefined
  const roomy = estimate + estimate / 5n
  return roomy < most ? roomy : most
}

/** Room for six full blocks in a row (EIP-1559). */
export function marketFees(baseFeeWei: bigint, priorityFeeWei: bigint): Fees {
  return { maxFeeWei: baseFeeWei * 2n + priorityFeeWei, priorityFeeWei }
}

/**
 * Fees of a replacement: an eighth above the last ones, at least the market's, at most the ceiling.
 * Undefined where the ceiling leaves less than the tenth more that nodes ask of a replacement.
 */
export function bumpFees(last: Fees, market: Fees, ceilingWei: bigint): Fees | undefined {
  const maxFeeWei = greater(eighthMore(last.maxFeeWei), market.maxFeeWei)
  const priorityFeeWei = greater(eighthMore(last.priorityFeeWei), market.priorityFeeWei)
  if (maxFeeWei <= ceilingWei) {
    return { maxFeeWei: greater(maxFeeWei, priorityFeeWei), priorityFeeWei }
  }
  const isEnough = ceilingWei >= tenthMore(last.maxFeeWei)
  const tipWei = priorityFeeWei < ceilingWei ? priorityFeeWei : ceilingWei
  if (!isEnough || tipWei < tenthMore(last.priorityFeeWei)) return undefined
  return { maxFeeWei: ceilingWei, priorityFeeWei: tipWei }
}

const eighthMore = (wei: bigint): bigint => (wei * 9n + 7n) / 8n
const tenthMore = (wei: bigint): bigint => (wei * 11n + 9n) / 10n
const greater = (a: bigint, b: bigint): bigint => (a > b ? a : b)
