import type { BlockPlace, Header } from './block.ts'
import { finalTarget, settledBlock, type FinalityRule } from './finality.ts'
import { judgeHead, linkedPrefix, planRetraction } from './reorg.ts'

/** Where the node stands and what one endpoint says. */
export interface WatchView {
  readonly head: BlockPlace
  readonly final: BlockPlace
  /** The endpoint's newest block. */
  readonly theirHead: BlockPlace
  /** The block that the endpoint calls final. */
  readonly tagged: number | undefined
  /** The highest block that a crash of the chain cannot lose; undefined where none can. */
  readonly durable: number | undefined
  readonly rule: FinalityRule
  /** The chain's launcher announced that blocks were lost. */
  readonly isInstanceNew: boolean
  /** Blocks that one step far below the head may take. */
  readonly farBlocks: number
}

export type WatchStep =
  /** The endpoint is slower than we are. */
  | { readonly type: 'behind' }
  | { readonly type: 'rest' }
  | { readonly type: 'finalize'; readonly to: number }
  /** Read headers `from`–`to` and decide with `takeHeaders`; `isFar` ones will not move any more. */
  | { readonly type: 'take'; readonly from: number; readonly to: number; readonly isFar: boolean }
  /** Read headers `from`–`to`, as far as there are any, and decide with `judgeFork`. */
  | { readonly type: 'compare'; readonly from: number; readonly to: number }

const BLOCKS_PER_STEP = 64
/** Without the chain's own word, only blocks so far below the head count as standing still. */
const FAR_BLOCKS = 128

/** What to do next after a look at one endpoint's head. */
export function decideStep(view: WatchView): WatchStep {
  const { head, final, theirHead, isInstanceNew } = view
  const verdict = judgeHead(head, theirHead, isInstanceNew)
  if (verdict === 'behind') return { type: 'behind' }
  if (verdict === 'fork') {
    return { type: 'compare', from: final.number, to: Math.min(head.number, theirHead.number) }
  }
  if (verdict === 'ahead') return decideTake(view)
  const to = finalAfter(view, head.number)
  return to > final.number || isInstanceNew ? { type: 'finalize', to } : { type: 'rest' }
}

function decideTake(view: WatchView): WatchStep {
  const { head, theirHead, rule, tagged, farBlocks } = view
  const from = head.number + 1
  const still = standstill(rule, theirHead.number, tagged)
  if (from <= still) {
    return { type: 'take', from, to: Math.min(still, head.number + farBlocks), isFar: true }
  }
  const to = Math.min(theirHead.number, head.number + BLOCKS_PER_STEP)
  return { type: 'take', from, to, isFar: false }
}

/** The block below which a question by number cannot be torn by a reorg. */
function standstill(rule: FinalityRule, head: number, tagged: number | undefined): number {
  const settled = settledBlock(rule, head, tagged) ?? 0
  return 'depth' in rule ? Math.min(settled, head - FAR_BLOCKS) : settled
}

/** The block up to which all is final once our head is `head`. */
export function finalAfter(view: WatchView, head: number): number {
  const { rule, final, tagged, durable } = view
  return finalTarget({ rule, head, final: final.number, tagged, durable })
}

export type Taking =
  | { readonly type: 'take'; readonly headers: readonly Header[] }
  | { readonly type: 'compare'; readonly from: number; readonly to: number }
  | { readonly type: 'rest' }

/** Which of the headers above ours to take: those that follow on our head one by one. */
export function takeHeaders(view: WatchView, found: readonly Header[]): Taking {
  const { head, final } = view
  const [next] = found
  if (next === undefined) return { type: 'rest' }
  if (next.parentHash !== head.hash) {
    return { type: 'compare', from: final.number, to: head.number }
  }
  return { type: 'take', headers: linkedPrefix(head, found) }
}

/** What another endpoint says of the place where the first one leaves our chain. */
export type Opinion = 'agrees' | 'denies' | 'silent'

/** The same departure from our chain, seen in so many turns. */
export interface ForkLook {
  readonly ours: string
  readonly theirs: string
  readonly count: number
}

export interface ForkView {
  /** Our last final block and the unfinal ones, ascending. */
  readonly ours: readonly BlockPlace[]
  /** The endpoint's headers from our final block on, as far as it has them. */
  readonly theirs: readonly Header[]
  /** The highest number that both should have. */
  readonly top: number
  readonly isInstanceNew: boolean
  /** Endpoints besides the one that reports the fork. */
  readonly others: number
  /** What those said that were asked so far in this turn. */
  readonly opinions: readonly Opinion[]
  /** What the last turn saw. */
  readonly look: ForkLook | undefined
}

export type ForkStep =
  | {
      readonly type: 'retract'
      readonly ancestor: BlockPlace
      /** Newest first. */
      readonly blocks: readonly BlockPlace[]
    }
  | { readonly type: 'halt'; readonly reason: string }
  /** The endpoint's answers contradict one another, or another endpoint. */
  | { readonly type: 'distrust'; readonly reason: string; readonly isDisputed: boolean }
  /** Ask another endpoint for the header of `number` and add `opinionOf` it. */
  | { readonly type: 'ask'; readonly number: number; readonly ours: BlockPlace }
  /** Nothing is believed yet; come back in the next turn with `look`. */
  | { readonly type: 'wait'; readonly look: ForkLook; readonly reason: string }

/** Deeper forks take more than one endpoint's word. */
const SHALLOW_BLOCKS = 3
/** With one endpoint alone, a deep fork must last for so many turns. */
const LOOKS = 3

/**
 * Whether to believe that our blocks left the chain. A shallow fork is the everyday life of a chain;
 * a deep one, and one beyond finality, needs a second endpoint that agrees or, where there is one
 * endpoint alone, several equal looks. Beyond finality nothing is ever undone: the watcher halts.
 */
export function judgeFork(view: ForkView): ForkStep {
  const { ours, theirs, top, isInstanceNew } = view
  const plan = planRetraction(ours, theirs, top)
  if (plan.type === 'incoherent') return distrust('headers that do not link', false)
  const [final] = ours
  if (plan.type === 'beyond_finality') {
    const reason = `reorg beyond finality: block ${final?.number} ${final?.hash} left the chain`
    if (isInstanceNew || final === undefined) return { type: 'halt', reason }
    return confirm(view, final, { type: 'halt', reason })
  }
  const torn = plan.blocks.at(-1)
  if (torn === undefined) return distrust('a head that moved while it was read', false)
  if (isInstanceNew || plan.blocks.length <= SHALLOW_BLOCKS) return plan
  return confirm(view, torn, plan)
}

/** `torn` is our lowest block that is not in the endpoint's chain. */
function confirm(view: ForkView, torn: BlockPlace, step: ForkStep): ForkStep {
  const { opinions, others, look, theirs } = view
  const where = `block ${torn.number} ${torn.hash}`
  if (opinions.includes('denies')) return distrust(`${where} is in another endpoint's chain`, true)
  if (opinions.includes('agrees')) return step
  if (opinions.length < others) return { type: 'ask', number: torn.number, ours: torn }
  const found = theirs.find(({ number }) => number === torn.number)?.hash ?? ''
  const isSame = look?.ours === torn.hash && look.theirs === found
  const next = { ours: torn.hash, theirs: found, count: isSame ? look.count + 1 : 1 }
  if (others === 0 && next.count >= LOOKS) return step
  const reason =
    others === 0 ? `${where} may have left the chain` : `no second endpoint tells of ${where}`
  return { type: 'wait', look: next, reason }
}

function distrust(reason: string, isDisputed: boolean): ForkStep {
  return { type: 'distrust', reason, isDisputed }
}

/** What another endpoint's header at the number of our block says about that block. */
export function opinionOf(ours: BlockPlace, theirs: BlockPlace | undefined): Opinion {
  if (theirs?.number !== ours.number) return 'silent'
  return theirs.hash === ours.hash ? 'denies' : 'agrees'
}
