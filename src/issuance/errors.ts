import { defineErrors } from '#kernel/errors.ts'

/** Refusals of tokenization beside those of the asset and of its supply. */
export const issuanceErrors = defineErrors('issuance', {
  supply_invalid: { kind: 'invalid', title: 'The supply is not a positive decimal of the asset' },
  issuer_not_registered: {
    kind: 'conflict',
    title: 'The issuer has no registered wallet of a class that the asset allows',
  },
})
