import { defineErrors } from '#kernel/errors.ts'

/** Refusals about assets. */
export const assetsErrors = defineErrors('assets', {
  asset_not_found: { kind: 'not_found', title: 'No such asset' },
  symbol_taken: { kind: 'conflict', title: 'An asset has this symbol' },
  wrong_status: { kind: 'conflict', title: 'The asset is not in the status for this' },
  own_asset: { kind: 'forbidden', title: 'Another person has to approve this asset' },
  not_issuer: { kind: 'forbidden', title: 'Only the issuer of the asset may do this' },
  ceiling_invalid: { kind: 'invalid', title: 'The ceiling is not a positive amount of the asset' },
  document_exists: { kind: 'conflict', title: 'The asset has this document' },
  ids_exhausted: { kind: 'conflict', title: 'The chain can hold no more assets' },
})
