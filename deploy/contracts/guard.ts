import { Contract, getAddress } from 'ethers'
import { interfaceOf } from './plan.ts'
import type { Provider } from 'ethers'
import type { ArtifactLoader, ContractName } from './artifact.ts'
import type { Addresses } from './plan.ts'
import type { Quorum, Settings } from './settings.ts'

/** One protection that a deployment may set up, in words that settings and chain share. */
interface Guard {
  readonly title: string
  readonly wanted: string
  readonly kept: string
  /** What changes it after the handover. */
  readonly remedy: string
}

const NONE = 'none'

/** The order in which the contracts take attestors. */
export function ascending(addresses: readonly string[]): readonly string[] {
  return addresses.toSorted((a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1))
}

/** What the settings set up, one line each. */
export function guardLines(settings: Settings): readonly string[] {
  const { reserveAttestors, batchAttestors, cashTurnoverCap } = settings
  return [
    `reserve attestors: ${describe(reserveAttestors)}`,
    `batch attestors: ${describe(batchAttestors)}`,
    `turnover cap of cash: ${capOf(cashTurnoverCap)}`,
  ]
}

/** The guards that the chain keeps otherwise than the settings say, one line each. */
export async function findGuardDifferences(
  provider: Provider,
  artifacts: ArtifactLoader,
  at: Addresses,
  settings: Settings,
): Promise<readonly string[]> {
  const read = async (contract: ContractName, name: string, ...values: readonly unknown[]) => {
    const target = new Contract(at[contract], interfaceOf(artifacts(contract).abi), provider)
    const answer: unknown = await target.getFunction(name).staticCall(...values)
    return answer
  }
  const attestorsOf = async (contract: ContractName): Promise<string> => {
    const list = await read(contract, 'attestors')
    const addresses = Array.isArray(list) ? list.map(String) : []
    const threshold = Number(await read(contract, 'threshold'))
    return describe(addresses.length === 0 ? undefined : { addresses, threshold })
  }
  const cap = await read('ClearingHouse', 'turnoverOf', 0)
  const guards: readonly Guard[] = [
    {
      title: 'reserve attestors',
      wanted: describe(settings.reserveAttestors),
      kept: await attestorsOf('ReserveGate'),
      remedy: 'ReserveGate.setAttestors of RESERVE_ADMIN',
    },
    {
      title: 'batch attestors',
      wanted: describe(settings.batchAttestors),
      kept: await attestorsOf('ClearingHouse'),
      remedy: 'ClearingHouse.setAttestors of ATTESTOR_ADMIN',
    },
    {
      title: 'turnover cap of cash',
      wanted: capOf(settings.cashTurnoverCap),
      kept: capOf(Array.isArray(cap) ? BigInt(String(cap[0])) : undefined),
      remedy: 'ClearingHouse.setTurnoverCap of RISK_ADMIN',
    },
  ]
  return guards
    .filter(({ wanted, kept }) => wanted !== kept)
    .map(
      ({ title, wanted, kept, remedy }) =>
        `${title}: the settings say ${wanted}, the chain ${kept}; ${remedy} changes it`,
    )
}

function describe(quorum: Quorum | undefined): string {
  if (quorum === undefined) return NONE
  const addresses = ascending(quorum.addresses).map((one) => getAddress(one))
  return `${quorum.threshold} of ${addresses.join(', ')}`
}

function capOf(atoms: bigint | undefined): string {
  return atoms === undefined || atoms === 0n ? NONE : `${atoms} atoms per hour`
}
