import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { platformErrors } from '#platform/errors.ts'
import { runCommand, type CommandDefinition } from '#platform/db/command.ts'
import { findIdempotency } from '#platform/db/idempotency.ts'
import { openDatabase, type OpenDatabase } from '../../support/database.ts'

let open: OpenDatabase
beforeAll(async () => {
  open = await openDatabase()
})
afterAll(() => open.close())

let made = 0
function command(change: Partial<CommandDefinition<string>> = {}): CommandDefinition<string> {
  return {
    scope: 'usr_a',
    operation: 'POST /v1/things',
    key: 'k',
    input: { a: 1, b: '2' },
    work: async () => {
      made += 1
      await Promise.resolve()
      return {
        result: `made ${made}`,
        resource: `thing-${made}`,
        events: [{ stream: 'things', type: 'things.made.v1', key: 'k', data: {} }],
      }
    },
    replay: (resource) => Promise.resolve(`found ${resource}`),
    ...change,
  }
}

const countEvents = async (): Promise<bigint | undefined> => {
  const rows = await open.database.query<{ count: bigint }>(`SELECT count(*) FROM platform.outbox`)
  return rows[0]?.count
}

describe('runCommand', () => {
  it('answers the same key and input with the resource as it is now, without working again', async () => {
    const first = await runCommand(open.database, command())
    expect(first).toEqual({ result: 'made 1', replayed: false })
    const again = await runCommand(open.database, command({ input: { b: '2', a: 1 } }))
    expect(again).toEqual({ result: 'found thing-1', replayed: true })
    expect(await countEvents()).toBe(1n)
  })

  it('refuses the same key with another input', async () => {
    await expect(runCommand(open.database, command({ input: { a: 2 } }))).rejects.toMatchObject({
      code: 'platform.idempotency_mismatch',
    })
  })

  it('tells keys of other principals and operations apart', async () => {
    for (const change of [{ scope: 'usr_b' }, { operation: 'POST /v1/others' }]) {
      const { replayed } = await runCommand(open.database, command(change))
      expect(replayed).toBe(false)
    }
  })

  it('keeps neither key nor event of a refusal', async () => {
    const before = await countEvents()
    const refused = command({
      key: 'refused',
      work: () => Promise.reject(platformErrors.forbidden()),
    })
    await expect(runCommand(open.database, refused)).rejects.toMatchObject({
      code: 'platform.forbidden',
    })
    const left = await findIdempotency(open.database, 'usr_a', 'POST /v1/things', 'refused')
    expect(left).toBeUndefined()
    const { replayed } = await runCommand(open.database, command({ key: 'refused' }))
    expect(replayed).toBe(false)
    expect(await countEvents()).toBe((before ?? 0n) + 1n)
  })

  it('refuses a key whose first command still runs', async () => {
    const gate = Promise.withResolvers<void>()
    const entered = Promise.withResolvers<void>()
    const slow = runCommand(
      open.database,
      command({
        key: 'slow',
        work: async () => {
          entered.resolve()
          await gate.promise
          return { result: 'slow', resource: 'slow' }
        },
      }),
    )
    await entered.promise
    await expect(runCommand(open.database, command({ key: 'slow' }))).rejects.toMatchObject({
      code: 'platform.idempotency_running',
    })
    gate.resolve()
    expect(await slow).toEqual({ result: 'slow', replayed: false })
  })

  it('works every time without a key', async () => {
    const { key: _key, ...keyless } = command()
    const results = [
      await runCommand(open.database, keyless),
      await runCommand(open.database, keyless),
    ]
    expect(results.map(({ replayed }) => replayed)).toEqual([false, false])
  })
})
