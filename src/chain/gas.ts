/** Highest gas limit of one transaction (EIP-7825). */
export const MAX_TRANSACTION_GAS = 16_777_216n
/** Above this a transaction waits for cheaper blocks. */
export const FEE_CEILING_WEI = 500_000_000_000n

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

/** Room for six full blocks in a row (EIP-1559); undefined when that passes the ceiling. */
export function feesFor(
  baseFeeWei: bigint,
  priorityFeeWei: bigint,
  ceilingWei: bigint = FEE_CEILING_WEI,
): Fees | undefined {
  const maxFeeWei = baseFeeWei * 2n + priorityFeeWei
  return maxFeeWei > ceilingWei ? undefined : { maxFeeWei, priorityFeeWei }
}
