import type { Route } from '#platform/http/route.ts'
import { paymentsRoutes } from './routes.ts'
import { PaymentsService, type PaymentsServiceOptions } from './service.ts'

/** Puts the payments context together. */
export function paymentsModule(options: PaymentsServiceOptions): {
  readonly service: PaymentsService
  readonly routes: readonly Route[]
} {
  const service = new PaymentsService(options)
  return { service, routes: paymentsRoutes({ payments: service, ledger: options.ledger }) }
}
