import { RateLimiterMemory } from 'rate-limiter-flexible'
import { sha256 } from '#platform/crypto.ts'
import { platformErrors } from '#platform/errors.ts'

const WINDOW_SECONDS = 900
const FAILURES_PER_PLACE = 10
const FAILURES_PER_EMAIL = 100

/** Slows down whoever guesses passwords: failures count by email and address, and by email alone. */
export class LoginGuard {
  readonly #byPlace = new RateLimiterMemory({
    points: FAILURES_PER_PLACE,
    duration: WINDOW_SECONDS,
  })
  readonly #byEmail = new RateLimiterMemory({
    points: FAILURES_PER_EMAIL,
    duration: WINDOW_SECONDS,
  })

  /** Throws `platform.rate_limited` after too many failures. */
  async requireRoom(email: string, remoteAddress: string): Promise<void> {
    const [place, person] = keysOf(email, remoteAddress)
    const states = [
      [await this.#byPlace.get(place), FAILURES_PER_PLACE],
      [await this.#byEmail.get(person), FAILURES_PER_EMAIL],
    ] as const
    for (const [state, most] of states) {
      if (state === null || state.consumedPoints < most) continue
      throw platformErrors.rate_limited('too many failed logins', {
        retryAfterSeconds: Math.ceil(state.msBeforeNext / 1000),
      })
    }
  }

  async recordFailure(email: string, remoteAddress: string): Promise<void> {
    const [place, person] = keysOf(email, remoteAddress)
    await this.#byPlace.penalty(place)
    await this.#byEmail.penalty(person)
  }
}

function keysOf(email: string, remoteAddress: string): readonly [string, string] {
  return [sha256(email, '\n', remoteAddress).toString('hex'), sha256(email).toString('hex')]
}
