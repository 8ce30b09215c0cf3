/** A bug, never a user's fault: the process reports it and answers 500 without detail. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError'
}

/** Throws `InvariantError` unless `condition` holds. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message)
}

/** Marks a branch that types rule out; fails loudly when data from outside broke the types. */
export function unreachable(value: never): never {
  throw new InvariantError(`unreachable: ${String(value)}`)
}

/** Returns `value`, which must be present. */
export function present<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new InvariantError(`absent: ${what}`)
  return value
}
