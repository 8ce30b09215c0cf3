import { reply, route, type Route } from '#platform/http/route.ts'
import { contractsReply } from './schema.ts'
import type { ChainService } from './service.ts'

/** Where the contracts are, for wallets. */
export function chainRoutes(chain: ChainService): readonly Route[] {
  return [getContracts(chain)]
}

function getContracts(chain: ChainService): Route {
  return route({
    method: 'GET',
    path: '/v1/contracts',
    id: 'getContracts',
    summary: 'Addresses and ABIs of the contracts',
    tags: ['chain'],
    permission: 'public',
    responses: { 200: contractsReply },
    errors: [],
    handle: () => {
      const { chainId, contracts } = chain.getContracts()
      return reply(200, { chain_id: chainId, contracts })
    },
  })
}
