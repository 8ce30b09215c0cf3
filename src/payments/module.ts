import type { AccountsService } from '#accounts/service.ts'
import type { Route } from '#platform/http/route.ts'
import { paymentsRoutes } from './routes.ts'
import { PaymentsService, type PaymentsServiceOptions } from './service.ts'

/** Puts the payments context together. */
export function paymentsModule(
  options: PaymentsServiceOptions & {
    readonly accounts: Pick<AccountsService, 'getAccountToRead'>
  },
): {
  readonly service: PaymentsService
  readonly routes: readonly Route[]
} {
  const service = new PaymentsService(options)
  return { service, routes: paymentsRoutes({ ...options, payments: service }) }
}
