import { upgradeToken } from '../../deploy/operations/token-upgrade.ts'
import {
  addressVariable,
  numberVariable,
  requiredVariable,
  runScript,
  variable,
} from './session.ts'

/** `MOORING_ASSET`, and `MOORING_IMPLEMENTATION` on the runs after the first: checks layouts, schedules, then upgrades. */
await runScript(async (operation) => {
  requiredVariable('MOORING_ASSET')
  const isMade = variable('MOORING_IMPLEMENTATION') !== undefined
  return await upgradeToken(operation, {
    asset: numberVariable('MOORING_ASSET', ''),
    implementation: isMade ? addressVariable('MOORING_IMPLEMENTATION') : undefined,
  })
})
