import { getAddress, isAddress } from 'ethers'
import { deployErrors } from '../../deploy/contracts/errors.ts'
import { requireKind } from '../../deploy/operations/module-kind.ts'
import {
  bindModule,
  deployModule,
  entrustModule,
  listModules,
  setParameter,
  unbindModule,
} from '../../deploy/operations/policy.ts'
import { tableLines } from '../table.ts'
import { numberVariable, requiredVariable, runScript, variable } from './session.ts'
import type { Operation } from '../../deploy/operations/operation.ts'

/**
 * `MOORING_ACTION`: `list` (default), `bind`, `unbind` (with `MOORING_FORCE=1` without telling the module), `deploy`,
 * `set` (`MOORING_FUNCTION`, `MOORING_ARGUMENTS`) or `entrust`. `MOORING_ASSET`; `MOORING_MODULE` is an address, for
 * `deploy` a kind. Ends with the modules that the asset has.
 */
await runScript(async (operation) => {
  const action = variable('MOORING_ACTION') ?? 'list'
  await act(operation, action)
  if (action === 'deploy') return
  const asset = assetVariable()
  const modules = await listModules(operation, asset)
  const rows = modules.map(({ address, kind = 'unknown', capabilities, parameters }) => [
    address,
    kind,
    capabilities,
    parameters,
  ])
  operation.report(rows.length === 0 ? `asset ${asset} has no module` : `modules of asset ${asset}`)
  if (rows.length === 0) return
  const header = ['module', 'kind', 'does', 'set to']
  for (const line of tableLines(header, rows)) operation.report(line)
})

async function act(operation: Operation, action: string): Promise<unknown> {
  switch (action) {
    case 'list':
      return undefined
    case 'deploy':
      return await deployModule(operation, requireKind(requiredVariable('MOORING_MODULE')))
    case 'bind':
      return await bindModule(operation, { asset: assetVariable(), module: moduleVariable() })
    case 'unbind':
      return await unbindModule(
        operation,
        { asset: assetVariable(), module: moduleVariable() },
        variable('MOORING_FORCE') === '1',
      )
    case 'set':
      return await setParameter(operation, {
        module: moduleVariable(),
        name: requiredVariable('MOORING_FUNCTION'),
        values: variable('MOORING_ARGUMENTS') ?? '[]',
      })
    case 'entrust':
      return await entrustModule(operation, moduleVariable())
    default:
      throw deployErrors.setting_malformed(
        `${action} is none of list, deploy, bind, unbind, set, entrust`,
      )
  }
}

function assetVariable(): number {
  requiredVariable('MOORING_ASSET')
  return numberVariable('MOORING_ASSET', '')
}

function moduleVariable(): string {
  const value = requiredVariable('MOORING_MODULE')
  if (!isAddress(value)) throw deployErrors.setting_malformed('MOORING_MODULE is not an address')
  return getAddress(value)
}
