/** One page of a listing; `next_cursor` is opaque and absent on the last page. */
export interface Page<T> {
  readonly data: readonly T[]
  readonly next_cursor: string | null
  readonly has_more: boolean
}

export interface PageRequest {
  /** Where the last page ended, already decoded; undefined starts at the newest row. */
  readonly after: string | undefined
  readonly limit: number
}

export const DEFAULT_PAGE_LIMIT = 50
export const MAX_PAGE_LIMIT = 200

/** Makes a page of `limit + 1` fetched rows: the extra row only tells that there are more. */
export function pageOf<T>(
  rows: readonly T[],
  limit: number,
  cursorOf: (row: T) => string,
): Page<T> {
  const data = rows.slice(0, limit)
  const last = data.at(-1)
  const hasMore = rows.length > limit && last !== undefined
  return { data, next_cursor: hasMore ? encodeCursor(cursorOf(last)) : null, has_more: hasMore }
}

export function encodeCursor(place: string): string {
  return Buffer.from(place, 'utf8').toString('base64url')
}

export function decodeCursor(cursor: string): string {
  return Buffer.from(cursor, 'base64url').toString('utf8')
}
