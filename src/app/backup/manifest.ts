import { z } from 'zod'

const count = z.int().nonnegative()
const digits = z.string().regex(/^\d{1,19}$/)
const hash = z.string().regex(/^[\da-f]{64}$/)
const sqlName = z.string().regex(/^[a-z_]+\."?[a-z_]+"?$/)

/** What a backup holds and how to tell that it is whole. Written last, so no manifest: no backup. */
export const manifestSchema = z.strictObject({
  format: z.literal('mooring.backup.v1'),
  made_at: z.iso.datetime(),
  version: z.string(),
  instance: z.uuid(),
  log_epoch: digits,
  /** Files of the migrations whose tables these are. */
  migrations: z.array(z.string()),
  journal: z.strictObject({ sequence: digits, hash }),
  tables: z.array(
    z.strictObject({
      name: sqlName,
      columns: z.array(z.string().regex(/^"?[a-z_0-9]+"?$/)),
      rows: count,
      file: z.string().regex(/^[a-z_.]+\.copy\.gz$/),
      /** SHA-256 of the file as it lies there. */
      sha256: hash,
    }),
  ),
  sequences: z.array(z.strictObject({ name: sqlName, last_value: digits.nullable() })),
})

export type Manifest = z.infer<typeof manifestSchema>

export const MANIFEST_FILE = 'manifest.json'
