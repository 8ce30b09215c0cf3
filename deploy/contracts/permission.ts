import type { Interface } from 'ethers'
import type { ContractName } from './artifact.ts'
import type { Addresses } from './plan.ts'
import type { Settings } from './settings.ts'

/** Role ids, the same as in contracts/access/Roles.sol. */
export const ROLES = {
  ADMIN: 0n,
  SETTLER: 1n,
  REGISTRAR: 2n,
  PAUSER: 3n,
  UNPAUSER: 4n,
  SUPPLY_ADMIN: 7n,
  ATTESTOR_ADMIN: 8n,
  RISK_ADMIN: 9n,
  UPGRADER: 10n,
} as const

type Role = keyof typeof ROLES

/** Who may call what. Restricted functions that are not named here belong to ADMIN. */
const PERMISSIONS: readonly {
  readonly contract: ContractName
  readonly role: Role
  readonly functions: readonly string[]
}[] = [
  { contract: 'ClearingHouse', role: 'SETTLER', functions: ['settle', 'withdraw'] },
  { contract: 'ClearingHouse', role: 'PAUSER', functions: ['pause'] },
  { contract: 'ClearingHouse', role: 'UNPAUSER', functions: ['unpause'] },
  { contract: 'ClearingHouse', role: 'ATTESTOR_ADMIN', functions: ['setAttestors'] },
  { contract: 'ClearingHouse', role: 'RISK_ADMIN', functions: ['setTurnoverCap'] },
  { contract: 'InvestorRegistry', role: 'REGISTRAR', functions: ['register', 'setClass'] },
  { contract: 'AssetRegistry', role: 'REGISTRAR', functions: ['createAsset'] },
  {
    contract: 'SupplyController',
    role: 'SUPPLY_ADMIN',
    functions: ['setCeiling', 'setReserveGate'],
  },
]

interface Grant {
  readonly role: Role
  readonly to: string
  readonly delaySeconds: number
}

function grants(settings: Settings): readonly Grant[] {
  const { admin, settler, registrar, pauser, adminDelaySeconds } = settings
  const office = (role: Role): Grant => ({ role, to: admin, delaySeconds: adminDelaySeconds })
  return [
    { role: 'SETTLER', to: settler, delaySeconds: 0 },
    { role: 'REGISTRAR', to: registrar, delaySeconds: 0 },
    { role: 'PAUSER', to: pauser, delaySeconds: 0 },
    { role: 'UNPAUSER', to: settings.unpauser ?? admin, delaySeconds: 0 },
    office('SUPPLY_ADMIN'),
    office('ATTESTOR_ADMIN'),
    office('RISK_ADMIN'),
    office('UPGRADER'),
    office('ADMIN'),
  ]
}

/** Every class from 1 to 83: cash is for all investors. */
const ALL_CLASSES = (1n << 84n) - 2n

/**
 * The calls that turn fresh contracts into a governed suite and take the deployer's last role away. They go out as
 * one `multicall`, so the deployer is either still the admin of nothing configured, or nobody.
 */
export function handoverCalls(
  interfaces: (name: ContractName) => Interface,
  at: Addresses,
  settings: Settings,
  deployer: string,
): readonly string[] {
  const authority = interfaces('Authority')
  const bindings = PERMISSIONS.map(({ contract, role, functions }) => {
    const selectors = functions.map((name) => interfaces(contract).getFunction(name)?.selector)
    return authority.encodeFunctionData('setTargetFunctionRole', [
      at[contract],
      selectors,
      ROLES[role],
    ])
  })
  const granted = grants(settings).map(({ role, to, delaySeconds }) =>
    authority.encodeFunctionData('grantRole', [ROLES[role], to, delaySeconds]),
  )
  const listCash = interfaces('AssetRegistry').encodeFunctionData('listExternal', [
    0,
    at.CashToken,
    settings.cash.scale,
    ALL_CLASSES,
  ])
  return [
    authority.encodeFunctionData('execute', [at.AssetRegistry, listCash]),
    ...bindings,
    ...granted,
    authority.encodeFunctionData('renounceRole', [ROLES.ADMIN, deployer]),
  ]
}
