import type { JsonRpcProvider, TransactionReceipt } from 'ethers'
import { setTimeout as sleep } from 'node:timers/promises'
import { platformErrors } from '#platform/errors.ts'

const LOOK_EVERY_MS = 40
const GIVE_UP_AFTER_MS = 60_000

/**
 * The receipt of a transaction once it is mined. The wait of ethers looks from a timer, and its
 * failure there ends the whole process; here the caller hears when the chain goes away.
 */
export async function minedReceipt(
  provider: JsonRpcProvider,
  hash: string,
): Promise<TransactionReceipt> {
  const until = performance.now() + GIVE_UP_AFTER_MS
  while (performance.now() < until) {
    const receipt = await provider.getTransactionReceipt(hash)
    if (receipt !== null) return receipt
    await sleep(LOOK_EVERY_MS)
  }
  throw platformErrors.unavailable(`transaction ${hash} was not mined within a minute`)
}
