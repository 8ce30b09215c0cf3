import { parseArgs, type ParseArgsOptionsConfig } from 'node:util'
import { describeFailure } from '#platform/lifecycle.ts'
import { appErrors } from './errors.ts'

/** The flags of a command; any other is refused with `app.usage`, and not passed over. */
export function readFlags<const Options extends ParseArgsOptionsConfig>(
  argv: readonly string[],
  options: Options,
  usage: string,
) {
  try {
    return parseArgs({ args: [...argv], options }).values
  } catch (error) {
    const [line = ''] = describeFailure(error).split('\n')
    throw appErrors.usage(`${usage}: ${line}`)
  }
}
