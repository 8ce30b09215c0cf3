import { Contract } from 'ethers'
import { deployErrors } from '../contracts/errors.ts'
import { readCompiled, readRuntime } from '../contracts/artifact.ts'
import { interfaceOf } from '../contracts/plan.ts'
import { readEvents } from './event-log.ts'
import { readView } from './operation.ts'
import { isCodeOf } from './storage-layout.ts'
import type { Interface } from 'ethers'
import type { Artifact } from '../contracts/artifact.ts'
import type { Operation } from './operation.ts'

/** The modules of contracts/compliance/modules and how each says what it is set to for an asset. */
const KINDS = {
  ClassAndCountryMask: async ({ module, asset }) => {
    const [receivers, senders] = listOf(await readView(module, 'maskOf', asset))
    return `receivers: ${classesIn(receivers)}; senders: ${classesIn(senders)}`
  },
  MaxHolders: async ({ module, asset }) => {
    const [limit, holders] = listOf(await readView(module, 'countOf', asset))
    return `at most ${limit} holders, ${holders} in wallets`
  },
  MaxBalance: async ({ module, asset }) => {
    const limit = String(await readView(module, 'limitOf', asset))
    return limit === '0' ? 'limit 0: nobody receives' : `at most ${limit} atoms an account`
  },
  LockUp: async ({ operation, module, asset }) => {
    const logs = await readEvents(operation, module, 'LockSet', asset)
    const accounts = new Set(logs.map(({ topics }) => topics[2]))
    return `locks of ${accounts.size} accounts were set`
  },
  ConditionalApproval: async ({ operation, module, asset }) => {
    const logs = await readEvents(operation, module, 'Approved', asset)
    return `${logs.length} approvals were given or taken back`
  },
} as const satisfies Readonly<Record<string, (of: Setting) => Promise<string>>>

interface Setting {
  readonly module: Contract
  readonly asset: number
  readonly operation: Operation
}

export type ModuleKind = keyof typeof KINDS

const FOLDER = 'compliance/modules'

function kinds(): readonly ModuleKind[] {
  return Object.keys(KINDS).filter((name): name is ModuleKind => name in KINDS)
}

/** Throws `deploy.setting_malformed` for what is no kind. */
export function requireKind(name: string): ModuleKind {
  const kind = kinds().find((known) => known === name)
  if (kind === undefined)
    throw deployErrors.setting_malformed(`${name} is neither an address nor ${kinds().join(', ')}`)
  return kind
}

export function artifactOfKind(kind: ModuleKind): Artifact {
  return readCompiled(FOLDER, kind)
}

export function interfaceOfKind(kind: ModuleKind): Interface {
  return interfaceOf(artifactOfKind(kind).abi)
}

/** Which of the compiled modules a code is; undefined for one that was not compiled here. */
export function kindOf(code: string): ModuleKind | undefined {
  return kinds().find((kind) => isCodeOf(code, readRuntime(FOLDER, kind)))
}

/** What a module is set to for an asset, in words. */
export async function describeParameters(
  operation: Operation,
  { address, kind, asset }: { address: string; kind: ModuleKind; asset: number },
): Promise<string> {
  const module = new Contract(address, interfaceOfKind(kind), operation.provider)
  return await KINDS[kind]({ module, asset, operation })
}

const LAST_CLASS = 83n

function classesIn(mask: unknown): string {
  const bits = BigInt(String(mask))
  const classes: bigint[] = []
  for (let one = 1n; one <= LAST_CLASS; one += 1n) if ((bits >> one) & 1n) classes.push(one)
  return classes.length === 0 ? 'nobody' : `classes ${classes.join(', ')}`
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
