import type { Authenticator } from '#platform/http/principal.ts'
import type { Route } from '#platform/http/route.ts'
import { BearerService } from './bearer-service.ts'
import { SessionTokens } from './jose-adapter.ts'
import { accountsRoutes } from './routes.ts'
import { AccountsService, type AccountsOptions } from './service.ts'

export interface AccountsModule {
  readonly service: AccountsService
  readonly authenticator: Authenticator
  readonly routes: readonly Route[]
}

/** `jwtPrivateKey`: an Ed25519 key as PKCS8 PEM. */
export function accountsModule(
  options: Omit<AccountsOptions, 'tokens'> & { readonly jwtPrivateKey: string },
): AccountsModule {
  const tokens = new SessionTokens({ privateKeyPem: options.jwtPrivateKey, clock: options.clock })
  const service = new AccountsService({ ...options, tokens })
  const authenticator = new BearerService({ ...options, tokens })
  return { service, authenticator, routes: accountsRoutes(service) }
}
