import type { Route } from '#platform/http/route.ts'
import type { Service } from '#platform/lifecycle.ts'
import type { Log } from '#platform/log.ts'
import { RegistrationFollower } from './jobs.ts'
import { complianceRoutes } from './routes.ts'
import { ComplianceService, type ComplianceOptions } from './service.ts'

export interface ComplianceModule {
  readonly service: ComplianceService
  readonly routes: readonly Route[]
  readonly workers: readonly Service[]
}

export function complianceModule(
  options: ComplianceOptions & { readonly log: Log },
): ComplianceModule {
  const service = new ComplianceService(options)
  const follower = new RegistrationFollower({ compliance: service, log: options.log })
  return { service, routes: complianceRoutes(service), workers: [follower] }
}
