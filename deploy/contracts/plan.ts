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
  'AssetToken',
  'AssetRegistry',
  'SupplyController',
  'ClearingHouse',
  'CashToken',
] as const

/** Where everything will live when the deployer creates it from `nonce` on, in order. */
export function planAddresses(deployer: string, nonce: number, cashToken?: string): Addresses {
  const at = (offset: number): string => getCreateAddress({ from: deployer, nonce: nonce + offset })
  return {
    Authority: at(0),
    InvestorRegistry: at(1),
    AssetToken: at(2),
    AssetRegistry: at(3),
    SupplyController: at(4),
    ClearingHouse: at(5),
    CashToken: cashToken ?? at(6),
  }
}

function constructorArguments(name: ContractName, at: Addresses, deployer: string): string[] {
  switch (name) {
    case 'Authority':
      return [deployer, at.AssetRegistry]
    case 'InvestorRegistry':
      return [at.Authority, at.ClearingHouse]
    case 'AssetToken':
      return [at.Authority, at.InvestorRegistry, at.ClearingHouse, at.SupplyController]
    case 'AssetRegistry':
      return [at.Authority, at.AssetToken, at.ClearingHouse, at.SupplyController]
    case 'SupplyController':
      return [at.Authority, at.ClearingHouse, at.AssetRegistry]
    case 'ClearingHouse':
      return [at.Authority, at.InvestorRegistry, at.AssetRegistry, at.SupplyController]
    case 'CashToken':
      return []
  }
}

/** Creation transaction of one contract whose neighbours live at `at`. */
export function creationOf(
  name: ContractName,
  artifacts: ArtifactLoader,
  at: Addresses,
  deployer: string,
): Creation {
  const { abi, bytecode } = artifacts(name)
  const encoded = interfaceOf(abi).encodeDeploy(constructorArguments(name, at, deployer))
  const data = concat([bytecode, encoded])
  const bytes = BigInt(data.length / 2)
  // 200 gas a byte stored, 16 a byte sent, and room for the constructor.
  return { name, data, gasLimit: 1_500_000n + bytes * 220n }
}

/** An ethers interface from the compiler's ABI. */
export function interfaceOf(abi: readonly unknown[]): Interface {
  return new Interface(JSON.stringify(abi))
}
