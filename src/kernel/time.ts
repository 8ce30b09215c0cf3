import { mint, type Brand } from './brand.ts'

/** Milliseconds since 1970-01-01T00:00:00Z. */
export type Instant = Brand<number, 'Instant'>

/** The only source of time; the sequencer reads it once per batch, the core never. */
export interface Clock {
  now(): Instant
}

export function instant(ms: number): Instant {
  return mint<Instant>(ms)
}

const DAY_MS = 86_400_000

/** Civil date of a day number since 1970-01-01 (Howard Hinnant, days_from_civil inverse). */
function civilDate(dayNumber: number): readonly [year: number, month: number, day: number] {
  const shifted = dayNumber + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  )
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const monthShifted = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * monthShifted + 2) / 5) + 1
  const month = monthShifted < 10 ? monthShifted + 3 : monthShifted - 9
  return [yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day]
}

const pad = (value: number, width: number): string => String(value).padStart(width, '0')

/** RFC 3339 in UTC with milliseconds, without touching the global `Date`. */
export function formatInstant(at: Instant): string {
  const dayNumber = Math.floor(at / DAY_MS)
  const [year, month, day] = civilDate(dayNumber)
  const ms = at - dayNumber * DAY_MS
  const clock = [3_600_000, 60_000, 1000].map((unit, place) =>
    pad(Math.floor(ms / unit) % (place === 0 ? 24 : 60), 2),
  )
  return `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}T${clock.join(':')}.${pad(ms % 1000, 3)}Z`
}
