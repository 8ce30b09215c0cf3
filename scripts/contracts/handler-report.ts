import { overrideTask } from 'hardhat/config'
import { isJsonObject } from '#kernel/json.ts'
import { tableLines } from '../table.ts'

interface Tally {
  readonly calls: number
  readonly reverts: number
}

/** Least part of the calls of the invariant tests that must not revert. */
const LEAST_SUCCESS = 0.5

/** Prints what the invariant tests called, by handler, and fails a run in which half of it reverted. */
export const handlerReport = overrideTask(['test', 'solidity'])
  .setInlineAction(async (options, _runtime, runSuper) => {
    const result: unknown = await runSuper(options)
    const tallies = talliesOf(result)
    if (tallies.size === 0) return result
    print(tallies)
    const { calls, reverts } = total(tallies)
    if (calls - reverts < calls * LEAST_SUCCESS) {
      throw new RangeError('Most calls of the invariant tests reverted: they prove little.')
    }
    return result
  })
  .build()

function talliesOf(result: unknown): ReadonlyMap<string, Tally> {
  const tallies = new Map<string, Tally>()
  for (const suite of list(field(field(result, 'value') ?? result, 'suiteResults'))) {
    for (const test of list(field(suite, 'testResults'))) {
      const metrics = field(field(test, 'kind'), 'metrics')
      if (!isJsonObject(metrics)) continue
      for (const [handler, metric] of Object.entries(metrics)) {
        const name = handler.split('.').at(-1) ?? handler
        const sum = tallies.get(name) ?? { calls: 0, reverts: 0 }
        tallies.set(name, {
          calls: sum.calls + Number(field(metric, 'calls')),
          reverts: sum.reverts + Number(field(metric, 'reverts')),
        })
      }
    }
  }
  return tallies
}

function total(tallies: ReadonlyMap<string, Tally>): Tally {
  const all = [...tallies.values()]
  return {
    calls: all.reduce((sum, { calls }) => sum + calls, 0),
    reverts: all.reduce((sum, { reverts }) => sum + reverts, 0),
  }
}

function print(tallies: ReadonlyMap<string, Tally>): void {
  const rows = [...tallies].toSorted(([first], [second]) => first.localeCompare(second))
  const cells = [...rows, ['all', total(tallies)] as const].map(([name, { calls, reverts }]) => [
    name,
    String(calls),
    String(reverts),
    `${(100 - (100 * reverts) / calls).toFixed(1)} %`,
  ])
  const lines = tableLines(['invariant handler', 'calls', 'reverts', 'succeeded'], cells)
  process.stdout.write(`${lines.join('\n')}\n\n`)
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
