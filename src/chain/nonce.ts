/** Unmined transactions of one signer at a time; pools keep about as many of an account. */
export const NONCE_WINDOW = 16

/**
 * The nonce of the next transaction: after the last that was given out, and never below what the
 * chain counted when this process took over.
 */
export function nextNonce(chainNonce: number, lastGiven: number | undefined): number {
  return lastGiven === undefined ? chainNonce : Math.max(chainNonce, lastGiven + 1)
}
