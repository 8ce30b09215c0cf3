import { JsonRpcProvider } from 'ethers'

/** Lets time pass on the chain of a sandbox; the next block is that much later. */
export async function passTime(rpc: string, seconds: number): Promise<void> {
  const provider = new JsonRpcProvider(rpc, undefined, { cacheTimeout: -1 })
  try {
    await provider.send('evm_increaseTime', [seconds])
    await provider.send('evm_mine', [])
  } finally {
    provider.destroy()
  }
}
