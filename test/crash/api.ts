/** The few calls of the crash test's stranger, who believes nothing but bytes. */
import { at, isBody, rows, text, type Body } from '../../scripts/body.ts'

export interface Reply {
  readonly status: number
  readonly answer: Body
}

const CALL_TIMEOUT_MS = 10_000

export class Api {
  readonly #base: string

  constructor(base: string) {
    this.#base = base
  }

  async call(
    method: string,
    path: string,
    { user, body, key }: { user?: Body; body?: Body; key?: string | undefined } = {},
  ): Promise<Reply> {
    const response = await fetch(`${this.#base}${path}`, {
      method,
      headers: {
        ...(user === undefined ? {} : { authorization: `Bearer ${text(user, 'api_key')}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(key === undefined ? {} : { 'idempotency-key': key }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
    })
    const answer: unknown = await response.json()
    return { status: response.status, answer: isBody(answer) ? answer : {} }
  }

  /** Every row of a list, page by page. */
  async list(user: Body, path: string): Promise<readonly Body[]> {
    const found: Body[] = []
    let cursor = ''
    do {
      const { answer } = await this.call('GET', `${path}?limit=200${cursor}`, { user })
      found.push(...rows(answer, 'data'))
      cursor =
        at(answer, 'has_more') === true
          ? `&cursor=${encodeURIComponent(text(answer, 'next_cursor'))}`
          : ''
    } while (cursor !== '')
    return found
  }
}
