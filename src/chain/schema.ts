import { z } from 'zod'
import { addressString } from '#platform/http/schema-parts.ts'

const named = { name: z.string(), internalType: z.string() } as const
const plainType = z.string().regex(/^(?!tuple)/)
const tupleType = z.string().regex(/^tuple/)

const plain = z.strictObject({ ...named, type: plainType })

const struct = { ...named, type: tupleType } as const
const field = z.union([plain, z.strictObject({ ...struct, components: z.array(plain) })])

/** A struct of this suite holds at most structs of plain fields. */
const parameter = z.union([plain, z.strictObject({ ...struct, components: z.array(field) })])
const indexed = z.boolean()
const eventParameter = z.union([
  z.strictObject({ ...named, type: plainType, indexed }),
  z.strictObject({ ...struct, components: z.array(field), indexed }),
])
const stateMutability = z.enum(['pure', 'view', 'nonpayable', 'payable'])

/** An entry of a Solidity ABI in JSON form, as the compiler writes it. */
const abiEntry = z.union([
  z.strictObject({
    type: z.literal('function'),
    name: z.string(),
    inputs: z.array(parameter),
    outputs: z.array(parameter),
    stateMutability,
  }),
  z.strictObject({
    type: z.literal('event'),
    name: z.string(),
    inputs: z.array(eventParameter),
    anonymous: z.boolean(),
  }),
  z.strictObject({
    type: z.literal('error'),
    name: z.string(),
    inputs: z.array(parameter),
  }),
  z.strictObject({
    type: z.literal('constructor'),
    inputs: z.array(parameter),
    stateMutability,
  }),
])

export const contractsReply = z.strictObject({
  chain_id: z.int().positive(),
  contracts: z.record(
    z.string(),
    z.strictObject({ address: addressString, abi: z.array(abiEntry) }),
  ),
})
