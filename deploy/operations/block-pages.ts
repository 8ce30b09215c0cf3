import { RpcRefusal, isRangeRefusal } from '#chain/rpc-refusal.ts'
import { deployErrors } from '../contracts/errors.ts'

/** Blocks, both included. */
export interface BlockRange {
  readonly first: number
  readonly last: number
}

const FIRST_BLOCKS = 4_096
/** Answers in a row after which more blocks are asked for, once that was refused. */
const PATIENCE = 16

/**
 * Reads a range of blocks in as many questions as the endpoint wants: ever more blocks while it answers, half of them
 * when it finds a range too wide. `onPage` hears how far it is while there is more to come. Throws
 * `deploy.events_refused` when a single block is too much, and whatever else `read` throws.
 */
export async function readPages<T>(
  { first, last }: BlockRange,
  read: (first: number, last: number) => Promise<readonly T[]>,
  onPage: (block: number) => void = () => undefined,
): Promise<readonly T[]> {
  const found: (readonly T[])[] = []
  let [blocks, answers, patience] = [FIRST_BLOCKS, 0, 1]
  for (let at = first; at <= last;) {
    const end = Math.min(at + blocks - 1, last)
    const page = await orTooWide(async () => await read(at, end), at, end)
    if (page === undefined) {
      blocks = Math.ceil((end - at + 1) / 2)
      answers = 0
      patience = PATIENCE
      continue
    }
    found.push(page)
    answers += 1
    if (answers % patience === 0) blocks *= 2
    if (end < last) onPage(end)
    at = end + 1
  }
  return found.flat()
}

/** Undefined when the endpoint wants fewer blocks. */
async function orTooWide<T>(
  read: () => Promise<readonly T[]>,
  first: number,
  last: number,
): Promise<readonly T[] | undefined> {
  try {
    return await read()
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const refusal = new RpcRefusal({ method: 'eth_getLogs', code: 0, message })
    if (!isRangeRefusal(refusal)) throw error
    if (first === last) throw deployErrors.events_refused(`block ${first}: ${message}`)
    return undefined
  }
}
