import { grantRole, parseRole } from '../../deploy/operations/grant.ts'
import {
  addressVariable,
  numberVariable,
  requiredVariable,
  runScript,
  variable,
} from './session.ts'

/** `MOORING_ROLE`, `MOORING_TO`, `MOORING_DELAY_SECONDS` (0), `MOORING_ASSET` (a role of one asset). */
await runScript(async (operation) => {
  const isOfAsset = variable('MOORING_ASSET') !== undefined
  return await grantRole(operation, {
    role: parseRole(requiredVariable('MOORING_ROLE')),
    asset: isOfAsset ? numberVariable('MOORING_ASSET', '') : undefined,
    to: addressVariable('MOORING_TO'),
    delaySeconds: numberVariable('MOORING_DELAY_SECONDS', '0'),
  })
})
