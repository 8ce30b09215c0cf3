import { AppError, findErrorDefinition } from '#kernel/errors.ts'
import { isJsonObject } from '#kernel/json.ts'
import { instant } from '#kernel/time.ts'
import type { Command } from './command.ts'
import { ledgerErrors } from './errors.ts'
import type { CommandResult, IdempotencyEntry, PositionEntry, SubmitOptions } from './submission.ts'

/** A command on its way from one process to another. */
export interface Submission {
  readonly command: Command
  readonly options: SubmitOptions
}

/** What the leader answers to one of them: a result, or why it was not taken. */
export type Reception = { readonly result: CommandResult } | { readonly refusal: AppError }

const FORM = /^[nsb]:/

/** JSON in which big integers and bytes keep their type; text that looks like one is marked. */
function pack(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item === 'bigint') return `n:${item}`
    if (item instanceof Uint8Array) return `b:${Buffer.from(item).toString('base64')}`
    if (typeof item === 'string' && FORM.test(item)) return `s:${item}`
    return item
  })
}

function unpack(text: string): unknown {
  const value: unknown = JSON.parse(text, (_key, item: unknown) => {
    if (typeof item !== 'string' || !FORM.test(item)) return item
    const rest = item.slice(2)
    if (item.startsWith('n')) return BigInt(rest)
    return item.startsWith('b') ? Buffer.from(rest, 'base64') : rest
  })
  return value
}

/** The body of a request that forwards commands. */
export function packSubmissions(submissions: readonly Submission[]): string {
  // Bytes of a Buffer would become an object before they are seen here.
  return pack(
    submissions.map(({ command, options: { idempotency, ...options } }) => ({
      command,
      options,
      ...(idempotency !== undefined && {
        idempotency: {
          ...idempotency,
          inputHash: Buffer.from(idempotency.inputHash).toString('hex'),
        },
      }),
    })),
  )
}

/** Throws `ledger.malformed_submission` for anything but what `packSubmissions` writes. */
export function unpackSubmissions(text: string): readonly Submission[] {
  const list = unpack(text)
  if (!Array.isArray(list)) throw ledgerErrors.malformed_submission()
  return list.map((entry: unknown) => {
    if (!isJsonObject(entry) || !isCommand(entry['command']))
      throw ledgerErrors.malformed_submission()
    const given = isJsonObject(entry['options']) ? entry['options'] : {}
    const idempotency = readIdempotency(entry['idempotency'])
    const position = readPosition(given['position'])
    const { claims, checkedAt } = given
    return {
      command: entry['command'],
      options: {
        ...(idempotency !== undefined && { idempotency }),
        ...(position !== undefined && { position }),
        ...(Array.isArray(claims) && { claims: claims.map(String) }),
        ...(typeof checkedAt === 'number' && { checkedAt: instant(checkedAt) }),
      },
    }
  })
}

export function packReceptions(receptions: readonly Reception[]): string {
  return pack(
    receptions.map((reception) => {
      if ('result' in reception) return reception
      const { code, detail, retryAfterSeconds } = reception.refusal
      return { refusal: { code, detail, retryAfterSeconds } }
    }),
  )
}

/** Throws `ledger.malformed_submission` unless there are `count` answers. */
export function unpackReceptions(text: string, count: number): readonly Reception[] {
  const list = unpack(text)
  if (!Array.isArray(list) || list.length !== count) throw ledgerErrors.malformed_submission()
  return list.map((entry: unknown) => {
    if (isJsonObject(entry) && isResult(entry['result'])) return { result: entry['result'] }
    const refusal = isJsonObject(entry) ? readRefusal(entry['refusal']) : undefined
    if (refusal === undefined) throw ledgerErrors.malformed_submission()
    return { refusal }
  })
}

function readRefusal(value: unknown): AppError | undefined {
  if (!isJsonObject(value)) return undefined
  const { code, detail, retryAfterSeconds } = value
  const definition = findErrorDefinition(String(code))
  return definition?.(
    String(detail),
    typeof retryAfterSeconds === 'number' ? { retryAfterSeconds } : {},
  )
}

function readIdempotency(value: unknown): IdempotencyEntry | undefined {
  if (!isJsonObject(value)) return undefined
  const { scope, operation, key, inputHash, resource } = value
  const texts = [scope, operation, key, inputHash, resource]
  if (texts.some((text) => typeof text !== 'string')) throw ledgerErrors.malformed_submission()
  return {
    scope: String(scope),
    operation: String(operation),
    key: String(key),
    inputHash: Buffer.from(String(inputHash), 'hex'),
    resource: String(resource),
  }
}

function readPosition(value: unknown): PositionEntry | undefined {
  if (!isJsonObject(value)) return undefined
  const { group, stream, seq, epoch } = value
  if (typeof seq !== 'bigint' || typeof epoch !== 'bigint')
    throw ledgerErrors.malformed_submission()
  return { group: String(group), stream: String(stream), seq, epoch }
}

function isCommand(value: unknown): value is Command {
  return isJsonObject(value) && typeof value['type'] === 'string'
}

/** A node of the same version wrote it; its `value` has the shape that its reducer gave it. */
function isResult(value: unknown): value is CommandResult {
  if (!isJsonObject(value) || typeof value['sequence'] !== 'bigint') return false
  return value['ok'] === true ? isJsonObject(value['value']) : isJsonObject(value['error'])
}
