/** Needs no quotes in an array literal. */
const PLAIN = /^[\w.:;-]+$/

/**
 * One column of rows as an array literal of Postgres, which reads columns much faster than objects
 * of JSON.
 */
export function column<T>(
  rows: readonly T[],
  item: (row: T) => bigint | number | string | null | undefined,
): string {
  return `{${rows.map((row) => literal(item(row))).join(',')}}`
}

function literal(value: bigint | number | string | null | undefined): string {
  if (value === null || value === undefined) return 'NULL'
  if (typeof value !== 'string') return value.toString()
  if (PLAIN.test(value) && !isNull(value)) return value
  return `"${value.replaceAll(/["\\]/g, (sign) => `\\${sign}`)}"`
}

function isNull(value: string): boolean {
  return value.length === 4 && value.toLowerCase() === 'null'
}
