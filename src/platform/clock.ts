import { instant, type Clock, type Instant } from '#kernel/time.ts'

/** The wall clock of this machine. */
export class SystemClock implements Clock {
  now(): Instant {
    return instant(Date.now())
  }
}
