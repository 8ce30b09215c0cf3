import { ascending } from './guard.ts'
import { delaysOf } from './settings.ts'
import type { Interface } from 'ethers'
import type { ContractName } from './artifact.ts'
import type { Addresses } from './plan.ts'
import type { Quorum, Settings } from './settings.ts'

/** Role ids, the same as in contracts/access/Roles.sol. */
export const ROLES = {
  ADMIN: 0n,
  SETTLER: 1n,
  REGISTRAR: 2n,
  PAUSER: 3n,
  UNPAUSER: 4n,
  FREEZER: 5n,
  ENFORCER: 6n,
  SUPPLY_ADMIN: 7n,
  ATTESTOR_ADMIN: 8n,
  RISK_ADMIN: 9n,
  UPGRADER: 10n,
  POLICY_ADMIN: 11n,
  ISSUER: 12n,
  DISTRIBUTOR: 13n,
  RECOVERY: 14n,
  RESERVE_ADMIN: 15n,
} as const

export type Role = keyof typeof ROLES

/** The role of one asset, as `Roles.ofAsset` of the contracts. */
export function roleOfAsset(role: Role, asset: number): bigint {
  return ((BigInt(asset) + 1n) << 16n) | ROLES[role]
}

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
  {
    contract: 'InvestorRegistry',
    role: 'REGISTRAR',
    functions: ['register', 'registerWithClaims', 'setClass', 'revokeWallet'],
  },
  {
    contract: 'InvestorRegistry',
    role: 'FREEZER',
    functions: ['freeze', 'unfreeze', 'vetoRecovery'],
  },
  {
    contract: 'InvestorRegistry',
    role: 'RECOVERY',
    functions: ['proposeRecovery', 'executeRecovery'],
  },
  { contract: 'InvestorRegistry', role: 'POLICY_ADMIN', functions: ['trustIssuer'] },
  {
    contract: 'PolicyEngine',
    role: 'POLICY_ADMIN',
    functions: ['addModule', 'removeModule', 'forceRemoveModule'],
  },
  { contract: 'AssetRegistry', role: 'REGISTRAR', functions: ['createAsset'] },
  {
    contract: 'SupplyController',
    role: 'SUPPLY_ADMIN',
    functions: ['setCeiling', 'setLine', 'setRate', 'setReserveGate'],
  },
  { contract: 'SupplyController', role: 'PAUSER', functions: ['lowerCeiling'] },
  { contract: 'ReserveGate', role: 'RESERVE_ADMIN', functions: ['setRule', 'setAttestors'] },
]

export interface Grant {
  readonly role: Role
  readonly to: string
  readonly delaySeconds: number
}

/** Who gets which role, each with the delay of its calls, seconds. */
export function grants(settings: Settings): readonly Grant[] {
  const { admin, settler, registrar, pauser, adminDelaySeconds } = settings
  const office = (role: Role): Grant => ({ role, to: admin, delaySeconds: adminDelaySeconds })
  return [
    { role: 'SETTLER', to: settler, delaySeconds: 0 },
    { role: 'REGISTRAR', to: registrar, delaySeconds: 0 },
    { role: 'PAUSER', to: pauser, delaySeconds: 0 },
    { role: 'UNPAUSER', to: settings.unpauser ?? admin, delaySeconds: 0 },
    { role: 'FREEZER', to: settings.freezer ?? admin, delaySeconds: 0 },
    office('ENFORCER'),
    office('SUPPLY_ADMIN'),
    office('ATTESTOR_ADMIN'),
    office('RISK_ADMIN'),
    { role: 'UPGRADER', to: admin, delaySeconds: delaysOf(settings).upgradeDelaySeconds },
    office('POLICY_ADMIN'),
    office('ISSUER'),
    office('DISTRIBUTOR'),
    office('RECOVERY'),
    office('RESERVE_ADMIN'),
    office('ADMIN'),
  ]
}

/** Every class from 1 to 83: cash is for all investors. */
const ALL_CLASSES = (1n << 84n) - 2n

/** What the deployer still does as the admin: cash is asset 0, the gate answers for reserves, attestors, a cap. */
function firstCalls(
  interfaces: (name: ContractName) => Interface,
  at: Addresses,
  { cash, reserveAttestors, batchAttestors, cashTurnoverCap }: Settings,
): readonly { readonly target: string; readonly data: string }[] {
  const call = (contract: ContractName, name: string, values: readonly unknown[]) => ({
    target: at[contract],
    data: interfaces(contract).encodeFunctionData(name, values),
  })
  const attested = (contract: ContractName, quorum: Quorum | undefined) =>
    quorum === undefined
      ? []
      : [call(contract, 'setAttestors', [ascending(quorum.addresses), quorum.threshold])]
  const capped = cashTurnoverCap === undefined ? [] : [cashTurnoverCap]
  return [
    call('AssetRegistry', 'listExternal', [0, at.CashToken, cash.scale, ALL_CLASSES]),
    call('SupplyController', 'setReserveGate', [at.ReserveGate]),
    ...attested('ReserveGate', reserveAttestors),
    ...attested('ClearingHouse', batchAttestors),
    ...capped.map((cap) => call('ClearingHouse', 'setTurnoverCap', [0, cap])),
  ]
}

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
  const first = firstCalls(interfaces, at, settings).map(({ target, data }) =>
    authority.encodeFunctionData('execute', [target, data]),
  )
  return [
    ...first,
    ...bindings,
    ...granted,
    authority.encodeFunctionData('renounceRole', [ROLES.ADMIN, deployer]),
  ]
}
