import { readPages } from './block-pages.ts'
import type { Contract, EventLog, Log } from 'ethers'
import type { Operation } from './operation.ts'

/** Every event of a name since the suite was deployed, in chain order; `indexed` are values that its first fields must have. */
export async function readEvents(
  { provider, deployment, progress }: Operation,
  contract: Contract,
  name: string,
  ...indexed: readonly unknown[]
): Promise<readonly (EventLog | Log)[]> {
  const range = { first: deployment.deployedAt, last: await provider.getBlockNumber() }
  const filter = contract.getEvent(name)(...indexed)
  let isShown = false
  try {
    return await readPages(
      range,
      async (first, last) => await contract.queryFilter(filter, first, last),
      (block) => {
        isShown = true
        progress?.(`${name}: block ${block} of ${range.last}`)
      },
    )
  } finally {
    if (isShown) progress?.('')
  }
}
