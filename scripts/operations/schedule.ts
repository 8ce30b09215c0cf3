import { parseCall } from '../../deploy/operations/call.ts'
import { cancelCall, listScheduled, performCall } from '../../deploy/operations/delayed-call.ts'
import { requiredVariable, runScript, variable } from './session.ts'

/**
 * `MOORING_ACTION` is `list` (default), `perform` or `cancel`; the latter two take `MOORING_TARGET` (a contract's name or
 * a token's address), `MOORING_FUNCTION` and `MOORING_ARGUMENTS` (a JSON array; whole numbers as strings).
 */
await runScript(async (operation) => {
  const action = variable('MOORING_ACTION') ?? 'list'
  if (action === 'list') return await listScheduled(operation)
  const call = parseCall(operation, {
    target: requiredVariable('MOORING_TARGET'),
    name: requiredVariable('MOORING_FUNCTION'),
    values: variable('MOORING_ARGUMENTS') ?? '[]',
  })
  return action === 'cancel'
    ? await cancelCall(operation, call)
    : await performCall(operation, call)
})
