import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { Gathering } from '#platform/db/gathering.ts'

/**
 * Answers each even number with its double, and keeps what was asked together. With a `gate`, every
 * answer waits for it.
 */
function doubling(options: { readonly failsOn?: number; readonly gate?: Promise<void> } = {}) {
  const questions: (readonly number[])[] = []
  const gathering = new Gathering<number, number>({
    nameOf: String,
    find: async (keys) => {
      questions.push(keys)
      await options.gate
      if (options.failsOn !== undefined && keys.includes(options.failsOn))
        throw new RangeError('no')
      return new Map(keys.filter((key) => key % 2 === 0).map((key) => [String(key), key * 2]))
    },
  })
  return { gathering, questions }
}

describe('a gathering', () => {
  it('asks once for what one turn of the event loop asks for, and gives each its own answer', async () => {
    const { gathering, questions } = doubling()
    const answers = await Promise.all([2, 3, 4, 2].map((key) => gathering.find(key)))
    expect(answers).toEqual([4, undefined, 8, 4])
    expect(questions).toEqual([[2, 3, 4]])
  })

  it('looks a key up anew for whoever asks while the same key is on its way', async () => {
    const gate = Promise.withResolvers<void>()
    const { gathering, questions } = doubling({ gate: gate.promise })
    const first = gathering.find(2)
    await expect.poll(() => questions).toHaveLength(1)
    const second = gathering.find(2)
    await expect.poll(() => questions).toHaveLength(2)
    gate.resolve()
    expect(await Promise.all([first, second])).toEqual([4, 4])
    expect(questions).toEqual([[2], [2]])
  })

  it('keeps at most two questions on their way and gathers the rest', async () => {
    const gate = Promise.withResolvers<void>()
    const { gathering, questions } = doubling({ gate: gate.promise })
    const asked: Promise<number | undefined>[] = []
    for (let key = 0; key < 6; key += 1) {
      asked.push(gathering.find(key))
      await nextTurn()
      await nextTurn()
    }
    expect(questions).toEqual([[0], [1]])
    gate.resolve()
    expect(await Promise.all(asked)).toEqual([0, undefined, 4, undefined, 8, undefined])
    expect(questions).toEqual([[0], [1], [2, 3, 4, 5]])
  })

  it('splits more keys than one question takes', async () => {
    const { gathering, questions } = doubling()
    const keys = Array.from({ length: 1100 }, (_, place) => place)
    const answers = await Promise.all(keys.map((key) => gathering.find(key)))
    expect(answers).toEqual(keys.map((key) => (key % 2 === 0 ? key * 2 : undefined)))
    expect(questions.map(({ length }) => length)).toEqual([512, 512, 76])
  })

  it('tells a failure to those alone whose question failed', async () => {
    const gate = Promise.withResolvers<void>()
    const { gathering, questions } = doubling({ failsOn: 2, gate: gate.promise })
    const first = gathering.find(2)
    const failure = expect(first).rejects.toBeInstanceOf(RangeError)
    await expect.poll(() => questions).toHaveLength(1)
    const second = gathering.find(4)
    await expect.poll(() => questions).toHaveLength(2)
    gate.resolve()
    expect(await second).toBe(8)
    await failure
    expect(await gathering.find(6)).toBe(12)
  })
})
