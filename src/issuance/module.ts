import type { Route } from '#platform/http/route.ts'
import { Tokenizer, type TokenizerOptions } from './jobs.ts'
import { issuanceRoutes } from './routes.ts'
import { IssuanceService, type IssuanceServiceOptions } from './service.ts'

/** Puts the issuance context together. */
export function issuanceModule(
  options: IssuanceServiceOptions & Pick<TokenizerOptions, 'chain' | 'log'>,
): {
  readonly service: IssuanceService
  readonly routes: readonly Route[]
  /** For the process that plays `settler`. */
  makeTokenizer(own: Pick<TokenizerOptions, 'leadership'>): Tokenizer
} {
  const service = new IssuanceService(options)
  return {
    service,
    routes: issuanceRoutes(service),
    makeTokenizer: (own) => new Tokenizer({ ...options, ...own }),
  }
}
