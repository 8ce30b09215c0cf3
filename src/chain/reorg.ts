import type { BlockPlace, Header } from './block.ts'

/** `behind`: the endpoint is slow; `fork`: our block is not in its chain. */
export type HeadVerdict = 'same' | 'behind' | 'ahead' | 'fork'

/**
 * Compares the endpoint's head with ours. A lower head is a slow endpoint and never a reorg, unless
 * the launcher of the chain announced that blocks were lost (I8).
 */
export function judgeHead(ours: BlockPlace, head: BlockPlace, isInstanceNew: boolean): HeadVerdict {
  if (head.hash === ours.hash) return 'same'
  if (head.number > ours.number) return 'ahead'
  if (head.number < ours.number) return isInstanceNew ? 'fork' : 'behind'
  return 'fork'
}

/** The headers that follow `base` one on another; what a reorg tore off is left out. */
export function linkedPrefix(base: BlockPlace, headers: readonly Header[]): readonly Header[] {
  const linked: Header[] = []
  let last: BlockPlace = base
  for (const header of headers) {
    if (header.number !== last.number + 1 || header.parentHash !== last.hash) break
    linked.push(header)
    last = header
  }
  return linked
}

export type RetractionPlan =
  | {
      readonly type: 'retract'
      readonly ancestor: BlockPlace
      /** Newest first. */
      readonly blocks: readonly BlockPlace[]
    }
  | { readonly type: 'beyond_finality' }
  | { readonly type: 'incoherent' }

/**
 * Finds the last block that both chains share. `ours` is the last final block and the unfinal ones,
 * `theirs` the endpoint's headers of the same numbers, as far as it has them; both ascend. `top` is the
 * highest number that both should have.
 */
export function planRetraction(
  ours: readonly BlockPlace[],
  theirs: readonly Header[],
  top: number,
): RetractionPlan {
  const [first, ...rest] = theirs
  if (top < (ours[0]?.number ?? 0)) return { type: 'beyond_finality' }
  // An endpoint that shows a head this high and leaves blocks below it out did not lose those.
  if (first === undefined || (theirs.at(-1)?.number ?? 0) < top) return { type: 'incoherent' }
  if (linkedPrefix(first, rest).length !== rest.length) return { type: 'incoherent' }
  const hashes = new Map(theirs.map(({ number, hash }) => [number, hash]))
  const ancestor = ours.findLast(({ number, hash }) => hashes.get(number) === hash)
  if (ancestor === undefined) return { type: 'beyond_finality' }
  const blocks = ours.filter(({ number }) => number > ancestor.number).toReversed()
  return { type: 'retract', ancestor, blocks }
}
