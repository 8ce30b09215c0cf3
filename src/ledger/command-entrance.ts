import { AppError } from '#kernel/errors.ts'
import type { InternalHandler } from '#platform/http/internal-server.ts'
import { platformErrors } from '#platform/errors.ts'
import type { Sequencer } from './sequencer.ts'
import {
  packReceptions,
  unpackSubmissions,
  type Reception,
  type Submission,
} from './wire-adapter.ts'

const JSON_TYPE = 'application/json'
/** Misdirected request: whoever sent it asks the database again who leads. */
const NOT_LEADING = 421

/** Takes the commands that other processes forward to the engine of this one. */
export function commandEntrance(sequencer: Sequencer): InternalHandler {
  return async (body) => {
    if (!sequencer.isReady()) return { status: NOT_LEADING, contentType: JSON_TYPE, body: '[]' }
    const submissions = unpackSubmissions(body)
    const receptions = await Promise.all(
      submissions.map(async (submission) => await receive(sequencer, submission)),
    )
    return { status: 200, contentType: JSON_TYPE, body: packReceptions(receptions) }
  }
}

/** Tells whether the engine of this process leads. */
export function engineState(sequencer: Sequencer): InternalHandler {
  return () =>
    Promise.resolve({
      status: sequencer.isReady() ? 200 : NOT_LEADING,
      contentType: JSON_TYPE,
      body: JSON.stringify({ leads: sequencer.isReady() }),
    })
}

async function receive(sequencer: Sequencer, { command, options }: Submission): Promise<Reception> {
  try {
    return { result: await sequencer.submit(command, options) }
  } catch (error) {
    if (error instanceof AppError) return { refusal: error }
    return { refusal: platformErrors.unavailable('the engine failed', { cause: error }) }
  }
}
