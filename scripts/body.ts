/** What an API answered: JSON of a shape that the reader checks as it goes. */
export type Body = Readonly<Record<string, unknown>>

export type Step = string | number

export function isBody(value: unknown): value is Body {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The value at a path; undefined where the path ends early. */
export function at(value: unknown, ...path: readonly Step[]): unknown {
  return path.reduce<unknown>((here, step) => {
    if (Array.isArray(here) && typeof step === 'number') return here.at(step)
    return isBody(here) ? here[String(step)] : undefined
  }, value)
}

/** The string at a path; throws where there is none. */
export function text(value: unknown, ...path: readonly Step[]): string {
  const found = at(value, ...path)
  if (typeof found === 'string') return found
  throw new TypeError(`no text at ${path.join('.')} of ${JSON.stringify(value)}`)
}

/** The integer at a path, given as a number or as digits; throws where there is none. */
export function integer(value: unknown, ...path: readonly Step[]): bigint {
  const found = at(value, ...path)
  if (typeof found === 'number' && Number.isSafeInteger(found)) return BigInt(found)
  if (typeof found === 'string' && /^\d+$/.test(found)) return BigInt(found)
  throw new TypeError(`no integer at ${path.join('.')} of ${JSON.stringify(value)}`)
}

/** The array of objects at a path; throws where there is none. */
export function rows(value: unknown, ...path: readonly Step[]): readonly Body[] {
  const found = at(value, ...path)
  if (Array.isArray(found) && found.every(isBody)) return found
  throw new TypeError(`no rows at ${path.join('.')} of ${JSON.stringify(value)}`)
}

/** Any value of an answer as a person reads it. */
export function show(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing')
}
