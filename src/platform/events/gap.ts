/** What a reader of a topic keeps in mind of the gaps that it met. */
export interface GapMemory {
  /** Position at which the topic was read from its start to look for what is missing. */
  readonly rewoundAt: bigint | undefined
  /** When it last asked for what is missing, in milliseconds. */
  readonly askedAtMs: number
}

/**
 * `rewind` reads the topic from its start; `ask` asks the relay for what is missing and raises the
 * alarm; `pass` reads on, since what was asked for comes at the topic's end.
 */
export type GapStep = 'rewind' | 'ask' | 'pass'

/** A gap that stays is told so often. */
export const GAP_INTERVAL_MS = 5000
export const NO_GAP: GapMemory = { rewoundAt: undefined, askedAtMs: -Infinity }

/**
 * What to do where the events behind `position` are missing. The topic may still hold them, so it is
 * read from its start once. Then the relay is asked, and what it sends again comes at the topic's
 * end, with everything that is passed over until then.
 */
export function decideGap(
  memory: GapMemory,
  position: bigint,
  nowMs: number,
): { readonly step: GapStep; readonly memory: GapMemory } {
  if (memory.rewoundAt !== position) {
    return { step: 'rewind', memory: { ...memory, rewoundAt: position } }
  }
  if (nowMs - memory.askedAtMs < GAP_INTERVAL_MS) return { step: 'pass', memory }
  return { step: 'ask', memory: { ...memory, askedAtMs: nowMs } }
}

/** After an `ask` that nobody heard: the next gap is told at once. */
export function afterLostAsk(memory: GapMemory): GapMemory {
  return { ...memory, askedAtMs: NO_GAP.askedAtMs }
}
