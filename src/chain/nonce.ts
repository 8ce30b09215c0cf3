/** Unmined transactions of one signer at a time; pools keep about as many of an account. */
export const NONCE_WINDOW = 16

/**
 * The nonce of the next transaction: after the last that was given out, and never below what the
 * chain counted when this process took over.
 */
export function nextNonce(chainNonce: number, lastGiven: number | undefined): number {
  return lastGiven === undefined ? chainNonce : Math.max(chainNonce, lastGiven + 1)
}

/** Whether a nonce is used, by the counts of the newest and of the last final block. */
export function nonceUseOf(
  nonce: number,
  counts: { readonly latest: number; readonly final: number },
): 'free' | 'used' | 'used_final' {
  if (counts.final > nonce) return 'used_final'
  return counts.latest > nonce ? 'used' : 'free'
}
