import { Interface, type InterfaceAbi } from 'ethers'
import abi from '#chain/contracts/abi.json' with { type: 'json' }
import type { ChainService, ManagedTransaction } from '#chain/service.ts'
import { newId } from '#platform/crypto.ts'

type Request = Parameters<ChainService['requestTransaction']>[1]

/** Stands where the transaction manager takes requests in, and keeps them. */
export class ChainRequests implements Pick<
  ChainService,
  'deployment' | 'findTransaction' | 'requestTransaction'
> {
  readonly requests: Request[] = []
  /** What became of requests, by their key; the others wait. */
  readonly outcomes = new Map<string, Pick<ManagedTransaction, 'state' | 'error'>>()

  deployment(): ReturnType<ChainService['deployment']> {
    const contracts = {
      InvestorRegistry: '0x1111111111111111111111111111111111111111',
      AssetRegistry: '0x2222222222222222222222222222222222222222',
    } as const
    return { chainId: 31337, deployedAt: 1, contracts }
  }

  requestTransaction(_tx: unknown, request: Request): Promise<string> {
    this.requests.push(request)
    return Promise.resolve(newId('transaction'))
  }

  findTransaction(_db: unknown, key: string): Promise<ManagedTransaction | undefined> {
    if (!this.requests.some((request) => request.key === key)) return Promise.resolve(undefined)
    const outcome = this.outcomes.get(key) ?? { state: 'requested' }
    return Promise.resolve({ id: newId('transaction'), key, ...outcome })
  }

  /** The arguments of the last request, read by the ABI of the contract. */
  lastCall(contract: keyof typeof abi): readonly unknown[] {
    const entry: InterfaceAbi = abi[contract]
    const parsed = new Interface(entry).parseTransaction({ data: this.requests.at(-1)?.data ?? '' })
    return parsed === null ? [] : [parsed.name, ...parsed.args.toArray()]
  }
}
