/** How many blocks one question for logs covers at one endpoint. */
export interface LogSpan {
  readonly blocks: number
  /** What the endpoint refused last; growth stops below it for a while. */
  readonly ceiling: number
  /** Blocks that hold about the wanted number of logs, as far as the last answer tells. */
  readonly fitting: number
}

const FIRST_BLOCKS = 128
const MOST_BLOCKS = 2048
const MOST_STEP_BLOCKS = 512
/** Logs that one question should bring: enough to be worth it, few enough to hold in memory. */
const WANTED_LOGS = 16_384

export const FIRST_SPAN: LogSpan = {
  blocks: FIRST_BLOCKS,
  ceiling: MOST_BLOCKS,
  fitting: FIRST_BLOCKS,
}

/** Blocks to take in one transaction, whatever the endpoint serves at once. */
export function stepBlocks({ fitting }: LogSpan): number {
  return Math.min(fitting, MOST_STEP_BLOCKS)
}

/** After an answer: towards the wanted number of logs, at most twice as wide. */
export function growSpan(span: LogSpan, asked: number, logs: number): LogSpan {
  const wanted = logs === 0 ? MOST_BLOCKS : Math.ceil((asked * WANTED_LOGS) / logs)
  const fitting = Math.min(MOST_BLOCKS, wanted)
  const blocks = clamp(Math.min(fitting, span.blocks * 2), span.ceiling)
  // An endpoint that refused under load may take more again later.
  const ceiling = Math.min(MOST_BLOCKS, Math.ceil(span.ceiling * 1.02) + 1)
  return { blocks, ceiling, fitting }
}

/** After a refusal of `asked` blocks: half of them. */
export function shrinkSpan(span: LogSpan, asked: number): LogSpan {
  const blocks = Math.max(1, Math.floor(asked / 2))
  return { ...span, blocks, ceiling: Math.max(1, asked - 1) }
}

function clamp(blocks: number, ceiling: number): number {
  return Math.max(1, Math.min(blocks, ceiling, MOST_BLOCKS))
}
