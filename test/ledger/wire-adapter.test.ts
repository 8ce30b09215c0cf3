import { describe, expect, it } from 'vitest'
import { AppError } from '#kernel/errors.ts'
import { instant } from '#kernel/time.ts'
import { ledgerErrors } from '#ledger/errors.ts'
import {
  packReceptions,
  packSubmissions,
  unpackReceptions,
  unpackSubmissions,
} from '#ledger/wire-adapter.ts'
import { platformErrors } from '#platform/errors.ts'

const MALFORMED = { code: 'ledger.malformed_submission' }

describe('commands on their way to another process', () => {
  it('arrive as they were sent, with big integers, bytes and text that looks like one', () => {
    const sent = [
      {
        command: { type: 'transfer', amount: 12n, note: 'n:12', list: [1n, 's:x', { deep: -3n }] },
        options: {
          idempotency: {
            scope: 'usr_1',
            operation: 'POST /v1/orders',
            key: 'b:AA==',
            inputHash: Uint8Array.from([0, 255, 7]),
            resource: 'r',
          },
          claims: ['client 16 n:1'],
          checkedAt: instant(5),
        },
      },
      {
        command: { type: 'chain_final' },
        options: { position: { group: 'engine', stream: 's', seq: 9n, epoch: 1n } },
      },
    ]
    const [first, second] = unpackSubmissions(packSubmissions(sent))
    expect(first?.command).toEqual(sent[0]?.command)
    const { inputHash, ...rest } = first?.options.idempotency ?? {}
    expect([...(inputHash ?? [])]).toEqual([0, 255, 7])
    expect(rest).toMatchObject({ key: 'b:AA==', scope: 'usr_1', resource: 'r' })
    expect(first?.options).toMatchObject({ claims: ['client 16 n:1'], checkedAt: 5 })
    expect(second).toEqual(sent[1])
  })

  it('come back with a result, a refusal of the core, or why they were not taken', () => {
    const at = instant(1)
    const refused = { code: 'ledger.insufficient_funds', detail: 'd' }
    const text = packReceptions([
      { result: { ok: true, sequence: 7n, at, value: { id: 'n:x', atoms: 5n } } },
      { result: { ok: false, sequence: 8n, at, error: refused } },
      { refusal: platformErrors.unavailable('later', { retryAfterSeconds: 1 }) },
      { refusal: ledgerErrors.duplicate_command() },
    ])
    const [won, lost, later, duplicate] = unpackReceptions(text, 4)
    expect(won).toEqual({ result: { ok: true, sequence: 7n, at, value: { id: 'n:x', atoms: 5n } } })
    expect(lost).toMatchObject({ result: { ok: false, error: refused } })
    expect(later).toMatchObject({
      refusal: { code: 'platform.unavailable', retryAfterSeconds: 1 },
    })
    const refusal = duplicate !== undefined && 'refusal' in duplicate && duplicate.refusal
    expect(refusal).toBeInstanceOf(AppError)
    expect(refusal).toMatchObject({ code: 'ledger.duplicate_command' })
  })

  it.each(['{}', '[1]', '[{"command":{}}]', '[{"command":{"type":"x"},"idempotency":{}}]'])(
    'are refused whole when one is no command: %s',
    (text) => {
      expect(() => unpackSubmissions(text)).toThrow(expect.objectContaining(MALFORMED))
    },
  )

  it('have as many answers as there were questions, each of a known form', () => {
    const fails = (text: string, count: number) =>
      expect(() => unpackReceptions(text, count)).toThrow(expect.objectContaining(MALFORMED))
    fails('[]', 1)
    fails('[{}]', 1)
    fails('[{"refusal":{"code":"no.such_code"}}]', 1)
    fails('[{"result":{"ok":true,"sequence":1,"value":{}}}]', 1)
  })
})
