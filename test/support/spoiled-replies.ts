/** A copy of a reply that differs in one place, and where. */
export interface SpoiledReply {
  readonly where: string
  readonly body: unknown
}

/** A part of a reply that stands for data and not for a field: its keys are names of things. */
export type IsMap = (pointer: string) => boolean

/** Every copy of `body` with one field removed or one value of another type. */
export function spoiledReplies(body: unknown, isMap: IsMap = () => false): readonly SpoiledReply[] {
  return [...spoil(body, '', isMap)]
}

function* spoil(value: unknown, pointer: string, isMap: IsMap): Generator<SpoiledReply> {
  yield { where: `${pointer || '/'} retyped`, body: retyped(value) }
  if (Array.isArray(value)) {
    for (const [place, item] of firstOfEachShape(value))
      for (const inner of spoil(item, `${pointer}/${place}`, isMap))
        yield { ...inner, body: value.with(place, inner.body) }
    return
  }
  if (typeof value !== 'object' || value === null) return
  for (const [name, item] of Object.entries(value)) {
    const here = `${pointer}/${name}`
    const { [name]: _, ...rest }: Record<string, unknown> = { ...value }
    if (!isMap(pointer)) yield { where: `${here} removed`, body: rest }
    for (const inner of spoil(item, here, isMap))
      yield { ...inner, body: { ...rest, [name]: inner.body } }
  }
}

/** Items of the same shape stand for each other. */
function firstOfEachShape(items: readonly unknown[]): Iterable<readonly [number, unknown]> {
  const found = new Map<string, readonly [number, unknown]>()
  for (const [place, item] of items.entries()) {
    const shape = shapeOf(item)
    if (!found.has(shape)) found.set(shape, [place, item])
  }
  return found.values()
}

function shapeOf(value: unknown): string {
  if (Array.isArray(value)) return `[${[...new Set(value.map(shapeOf))].join()}]`
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value
  return `{${Object.entries(value)
    .map(([name, item]) => `${name}:${shapeOf(item)}`)
    .join()}}`
}

/** A value of a JSON type that is not the given one's, and neither null. */
function retyped(value: unknown): unknown {
  if (typeof value === 'string') return 7.5
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return [value]
  return Array.isArray(value) ? { 0: 'item' } : 'object'
}
