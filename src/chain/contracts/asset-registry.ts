import type { Hex } from '../hex.ts'
import { encodeCall } from './abi-adapter.ts'

export interface CreateAssetCall {
  /** Asset id of the node, 1–65,535. */
  readonly id: number
  readonly symbol: string
  readonly name: string
  readonly decimals: number
  /** Bit c set: class c may hold. */
  readonly allowedClasses: bigint
  readonly reserveAttested: boolean
  /** Highest supply, atoms. */
  readonly ceiling: bigint
}

/** `createAsset(…)`: deploys the token of an asset. */
export function encodeCreateAsset(call: CreateAssetCall): Hex {
  const { id, symbol, name, decimals, allowedClasses, reserveAttested, ceiling } = call
  return encodeCall('AssetRegistry', 'createAsset', [
    id,
    symbol,
    name,
    decimals,
    allowedClasses,
    reserveAttested,
    ceiling,
  ])
}
