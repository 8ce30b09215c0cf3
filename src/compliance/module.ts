import type { Route } from '#platform/http/route.ts'
import type { Leadership } from '#platform/leader.ts'
import type { Service } from '#platform/lifecycle.ts'
import type { Log } from '#platform/log.ts'
import { RegistrationFollower } from './jobs.ts'
import { complianceRoutes } from './routes.ts'
import { ComplianceService, type ComplianceOptions } from './service.ts'

export interface ComplianceModule {
  readonly service: ComplianceService
  readonly routes: readonly Route[]
  /** For the process that plays `txm`. */
  makeFollower(leadership: Leadership): Service
}

export function complianceModule(
  options: ComplianceOptions & { readonly log: Log },
): ComplianceModule {
  const service = new ComplianceService(options)
  const { log } = options
  return {
    service,
    routes: complianceRoutes(service),
    makeFollower: (leadership) =>
      new RegistrationFollower({ compliance: service, leadership, log }),
  }
}
