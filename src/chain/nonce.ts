/** Unmined transactions of one signer at a time; pools keep about as many of an account. */
export const NONCE_WINDOW = 16

/**
 * The nonce of the next transaction: after the last that was given out, and never below `latest`,
 * which the chain counted since this process took over. Undefined where others used the key and
 * `final`, the count of the last final block, does not tell that theirs stay: what is signed behind
 * one that a reorg loses is never mined. A key from which nothing was given out yet starts at `latest`.
 */
export function nextNonce(
  latest: number,
  lastGiven: number | undefined,
  final?: number,
): number | undefined {
  if (lastGiven === undefined) return latest
  const own = lastGiven + 1
  if (latest <= own) return own
  return final !== undefined && final >= latest ? latest : undefined
}

/** Whether a nonce is used, by the counts of the newest and of the last final block. */
export function nonceUseOf(
  nonce: number,
  counts: { readonly latest: number; readonly final: number },
): 'free' | 'used' | 'used_final' {
  if (counts.final > nonce) return 'used_final'
  return counts.latest > nonce ? 'used' : 'free'
}
