import { present } from '#kernel/assert.ts'
import { Interface, concat, getCreateAddress } from 'ethers'
import type { ArtifactLoader, ContractName } from './artifact.ts'

export type Addresses = Readonly<Record<ContractName, string>>

/** One contract to create: its creation code with arguments and the gas that surely suffices. */
interface Creation {
  readonly name: ContractName
  readonly data: string
  readonly gasLimit: bigint
}

/** The order of creation. Contracts know each other by addresses that follow from the deployer's nonce. */
export const CREATION_ORDER = [
  'Authority',
  'InvestorRegistry',
  'PolicyEngine',
  'AssetToken',
  'AssetRegistry',
  'SupplyController',
  'ClearingHouse',
  'ReserveGate',
  'Distributor',
  'CashToken',
] as const

/** Where everything will live when the deployer creates it from `nonce` on, in order. */
export function planAddresses(deployer: string, nonce: number, cashToken?: string): Addresses {
  const at = (offset: number): string => getCreateAddress({ from: deployer, nonce: nonce + offset })
  return {
    Authority: at(0),
    InvestorRegistry: at(1),
    PolicyEngine: at(2),
    AssetToken: at(3),
    AssetRegistry: at(4),
    SupplyController: at(5),
    ClearingHouse: at(6),
    ReserveGate: at(7),
    Distributor: at(8),
    CashToken: cashToken ?? at(9),
  }
}

/** What the contracts are made with besides each other's addresses. */
export interface Terms {
  readonly deployer: string
  /** Least delay of an upgrade, seconds. */
  readonly upgradeDelaySeconds: number
  /** How long an exit waits, seconds. */
  readonly exitDelaySeconds: number
  /** How long without a batch until every exit is free, seconds. */
  readonly exitModeAfterSeconds: number
}

/** What a constructor's argument stands for; the contracts use the same names throughout. */
function argumentsByName(at: Addresses, terms: Terms): Readonly<Record<string, string | number>> {
  return {
    initialAdmin: terms.deployer,
    authority: at.Authority,
    investorRegistry: at.InvestorRegistry,
    policyEngine: at.PolicyEngine,
    tokenImplementation: at.AssetToken,
    assetRegistry: at.AssetRegistry,
    supplyController: at.SupplyController,
    clearingHouse: at.ClearingHouse,
    vault: at.ClearingHouse,
    upgradeDelay: terms.upgradeDelaySeconds,
    exitDelay: terms.exitDelaySeconds,
    exitModeAfter: terms.exitModeAfterSeconds,
  }
}

/** Creation transaction of one contract whose neighbours live at `at`. */
export function creationOf(
  name: ContractName,
  artifacts: ArtifactLoader,
  at: Addresses,
  terms: Terms,
): Creation {
  const { abi, bytecode } = artifacts(name)
  const contract = interfaceOf(abi)
  const known = argumentsByName(at, terms)
  const values = contract.deploy.inputs.map((input) => present(known[input.name], input.name))
  const encoded = contract.encodeDeploy(values)
  const data = concat([bytecode, encoded])
  const bytes = BigInt(data.length / 2)
  // 200 gas a byte stored, 16 a byte sent, and room for the constructor.
  return { name, data, gasLimit: 1_500_000n + bytes * 220n }
}

/** An ethers interface from the compiler's ABI. */
export function interfaceOf(abi: readonly unknown[]): Interface {
  return new Interface(JSON.stringify(abi))
}
