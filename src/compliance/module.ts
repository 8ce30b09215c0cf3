import type { Route } from '#platform/http/route.ts'
import { complianceRoutes } from './routes.ts'
import { ComplianceService, type ComplianceOptions } from './service.ts'

export interface ComplianceModule {
  readonly service: ComplianceService
  readonly routes: readonly Route[]
}

export function complianceModule(options: ComplianceOptions): ComplianceModule {
  const service = new ComplianceService(options)
  return { service, routes: complianceRoutes(service) }
}
