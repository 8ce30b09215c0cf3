import { SupplyService, type SupplyServiceOptions } from './service.ts'

/** Puts the supply context together. */
export function supplyModule(options: SupplyServiceOptions): { readonly service: SupplyService } {
  return { service: new SupplyService(options) }
}
