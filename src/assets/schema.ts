import { z } from 'zod'
import { MAX_DECIMALS } from '#kernel/money.ts'
import {
  addressString,
  decimalString,
  id,
  instantString,
  pageOf,
  pageQuery,
  symbolString,
} from '#platform/http/schema-parts.ts'
import { ASSET_CLASSES, ASSET_STATUSES, RESERVES } from './asset.ts'

const decimals = z.int().min(0).max(MAX_DECIMALS)
const investorClass = z.int().min(1).max(83)

const name = z
  .string()
  .trim()
  .min(1)
  .max(100)
  .regex(/^[^\p{Cc}]*$/u, 'must have no control characters')

const sha256 = z.string().regex(/^[\da-f]{64}$/, 'must be 64 hex digits in lower case')

export const assetParams = z.strictObject({ id: id('asset') })

export const newAsset = z.strictObject({
  symbol: symbolString,
  name,
  class: z.enum(ASSET_CLASSES),
  decimals,
  reserve: z.enum(RESERVES).default('none'),
  allowed_classes: z
    .array(investorClass)
    .min(1)
    .max(83)
    .optional()
    .meta({ description: 'Investor classes that may hold it; all when left out' }),
  ceiling: decimalString.optional().meta({ description: 'Most that may ever exist' }),
})

export const newDocument = z.strictObject({
  name: name.max(100),
  uri: z.url({ protocol: /^(https|ipfs)$/, error: 'must be an https or ipfs URI' }).max(2000),
  sha256,
})

const document = z.strictObject({ name: z.string(), uri: z.string(), sha256 })

export const asset = z.strictObject({
  id: id('asset'),
  symbol: symbolString,
  name: z.string(),
  class: z.enum(ASSET_CLASSES),
  decimals,
  reserve: z.enum(RESERVES),
  allowed_classes: z.array(investorClass),
  ceiling: decimalString.nullable(),
  status: z.enum(ASSET_STATUSES),
  chain_asset: z.int().min(0).max(65_535).nullable(),
  token: addressString.nullable(),
  total_supply: decimalString.nullable(),
  documents: z.array(document),
  created_at: instantString,
})

export const assetQuery = z.strictObject(pageQuery)
export const assetPage = pageOf(asset)
