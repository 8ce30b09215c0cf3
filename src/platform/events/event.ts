import { isJsonObject, parseJson, stringifyJson, type JsonObject } from '#kernel/json.ts'

/** Something that happened, before it has its place in the stream. */
export interface OutboxEvent {
  readonly stream: string
  /** `context.past_tense.vN`, such as `chain.block_applied.v1`. */
  readonly type: string
  readonly key: string
  /** Amounts and other bigints are decimal strings. */
  readonly data: JsonObject
}

/** An event in its place: `seq` counts 1, 2, 3, … without gaps in each stream. */
export interface Envelope {
  readonly id: string
  readonly type: string
  readonly stream: string
  readonly seq: bigint
  readonly key: string
  /** RFC 3339, UTC, milliseconds. */
  readonly occurredAt: string
  /** Instance id of the node that wrote it. */
  readonly instance: string
  /** Log epoch of that node; a restore or a reset raises it. */
  readonly epoch: string
  readonly data: JsonObject
}

/** Text form for transport. */
export function encodeEnvelope(envelope: Envelope): string {
  return stringifyJson(envelope)
}

const TEXT_FIELDS = [
  'id',
  'type',
  'stream',
  'seq',
  'key',
  'occurredAt',
  'instance',
  'epoch',
] as const

/** Reads what `encodeEnvelope` wrote; undefined for anything else. */
export function decodeEnvelope(text: string): Envelope | undefined {
  const value = tryParse(text)
  if (!isJsonObject(value) || !isJsonObject(value['data'])) return undefined
  if (TEXT_FIELDS.some((field) => typeof value[field] !== 'string')) return undefined
  if (!/^\d{1,19}$/.test(String(value['seq']))) return undefined
  const text_ = (field: (typeof TEXT_FIELDS)[number]): string => String(value[field])
  return {
    id: text_('id'),
    type: text_('type'),
    stream: text_('stream'),
    seq: BigInt(text_('seq')),
    key: text_('key'),
    occurredAt: text_('occurredAt'),
    instance: text_('instance'),
    epoch: text_('epoch'),
    data: value['data'] as JsonObject,
  }
}

function tryParse(text: string): unknown {
  try {
    return parseJson(text)
  } catch {
    return undefined
  }
}
