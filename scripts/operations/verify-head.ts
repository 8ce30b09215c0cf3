import { verifyHead } from '../../deploy/operations/head-check.ts'
import { requiredVariable, runScript } from './session.ts'

/** `MOORING_API` and `MOORING_API_TOKEN` (may read settlements): compares every settled batch of chain and node. */
await runScript(
  async (operation) =>
    await verifyHead(operation, {
      api: requiredVariable('MOORING_API'),
      token: requiredVariable('MOORING_API_TOKEN'),
    }),
)
