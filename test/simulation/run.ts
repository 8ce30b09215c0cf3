import { parseArgs } from 'node:util'
import { simulate, type RunResult } from './simulation.ts'
import { realMs, Violation } from './world.ts'

/**
 * Runs seeds one after another in this process: `--first 1 --count 1000`, `--seed 7 [--trace]`.
 * Prints one JSON line per report; exit code 1 with the first seed that fails. `--within` ends the
 * run after so many milliseconds, but not before `--least` seeds.
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    first: { type: 'string', default: '1' },
    count: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
    databases: { type: 'string', default: '' },
    within: { type: 'string', default: '0' },
    least: { type: 'string', default: '1' },
    every: { type: 'string', default: '100' },
  },
})
const first = whole(values.seed ?? values.first, 0)
const count = values.seed === undefined ? whole(values.count, 1) : 1
/** One for each seed, in their order; none simulates the database as well. */
const databases = values.databases === '' ? [] : values.databases.split(',')
const withinMs = whole(values.within, 0)
const least = whole(values.least, 1)
/** Seeds between two reports of progress. */
const every = whole(values.every, 1)
const FIGURES = [
  'orders',
  'trades',
  'batches',
  'withdrawals',
  'crashes',
  'reorgs',
  'cancels',
  'halts',
  'resumes',
  'holds',
  'reverts',
  'byHand',
  'tornOff',
  'steps',
  'virtualMs',
] as const
const total = {
  seeds: 0,
  orders: 0,
  trades: 0,
  batches: 0,
  withdrawals: 0,
  crashes: 0,
  reorgs: 0,
  cancels: 0,
  halts: 0,
  resumes: 0,
  holds: 0,
  reverts: 0,
  byHand: 0,
  tornOff: 0,
  steps: 0,
  virtualMs: 0,
}
const begunMs = realMs()
// Stacks of expected errors cost more than the run itself; a replay has them.
if (values.seed === undefined) Error.stackTraceLimit = 0

/** A run of no seeds would prove nothing and look fine. */
function whole(text: string, lowest: number): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < lowest || text.trim() === '')
    throw new TypeError(`"${text}" is not a whole number from ${lowest} on`)
  return value
}

function report(fields: object): void {
  process.stdout.write(`${JSON.stringify(fields)}\n`)
}

function add(result: RunResult): void {
  total.seeds += 1
  for (const key of FIGURES) total[key] += result[key]
}

function progress(type: string): void {
  const seconds = (realMs() - begunMs) / 1000
  report({
    type,
    ...total,
    seconds: Math.round(seconds * 10) / 10,
    seedsPerSecond: Math.round((total.seeds / seconds) * 10) / 10,
  })
}

for (let seed = first; seed < first + count; seed += 1) {
  try {
    const trace = values.trace
      ? (line: string) => void process.stdout.write(`${line}\n`)
      : undefined
    const databaseUrl = databases[seed - first]
    add(await simulate(seed, { ...(trace !== undefined && { trace }), databaseUrl }))
  } catch (error) {
    const invariant = error instanceof Violation ? error.invariant : 'the simulation runs'
    const detail =
      error instanceof Error
        ? error instanceof Violation
          ? error.message
          : error.stack
        : String(error)
    report({
      type: 'failed',
      seed,
      invariant,
      detail,
      replay:
        databases.length === 0
          ? `npm run sim -- --seed ${seed} --trace`
          : 'none: how fast a real Postgres answers decides as well',
    })
    process.exitCode = 1
    break
  }
  if (total.seeds % every === 0 && count > every) progress('progress')
  if (withinMs > 0 && total.seeds >= least && realMs() - begunMs > withinMs) break
}
progress('done')
// Connections of processes that died with theirs open must not keep this one alive.
process.exit()
