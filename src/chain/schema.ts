import { z } from 'zod'
import { addressString } from '#platform/http/schema-parts.ts'

const field = {
  name: z.string(),
  type: z.string(),
  internalType: z.string().optional(),
} as const

const abiParameter = z.strictObject({
  ...field,
  indexed: z.boolean().optional(),
  components: z.array(z.strictObject(field)).optional(),
})

/** An entry of a Solidity ABI in JSON form; structs do not nest in this suite. */
const abiEntry = z.strictObject({
  type: z.enum(['constructor', 'function', 'event', 'error', 'receive', 'fallback']),
  name: z.string().optional(),
  inputs: z.array(abiParameter).optional(),
  outputs: z.array(abiParameter).optional(),
  stateMutability: z.enum(['pure', 'view', 'nonpayable', 'payable']).optional(),
  anonymous: z.boolean().optional(),
})

export const contractsReply = z.strictObject({
  chain_id: z.int().positive(),
  contracts: z.record(
    z.string(),
    z.strictObject({ address: addressString, abi: z.array(abiEntry) }),
  ),
})
