import { z } from 'zod'
import { decimalString, id, instantString } from '#platform/http/schema-parts.ts'

const status = z.enum(['pending', 'running', 'succeeded', 'failed'])

export const tokenizeBody = z.strictObject({ supply: decimalString })
export const assetParams = z.strictObject({ id: id('asset') })
export const operationParams = z.strictObject({ id: id('operation') })

export const operationReply = z.strictObject({
  id: id('operation'),
  kind: z.string(),
  status,
  resource: z.string().nullable(),
  steps: z.array(z.strictObject({ name: z.string(), status, detail: z.string().nullable() })),
  created_at: instantString,
  updated_at: instantString,
})
