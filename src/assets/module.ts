import type { Route } from '#platform/http/route.ts'
import { assetsRoutes } from './routes.ts'
import { AssetsService, type AssetsOptions } from './service.ts'

export interface AssetsModule {
  readonly service: AssetsService
  readonly routes: readonly Route[]
}

export function assetsModule(options: AssetsOptions): AssetsModule {
  const service = new AssetsService(options)
  return { service, routes: assetsRoutes(service) }
}
