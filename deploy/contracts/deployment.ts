import { present } from '#kernel/assert.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import { CREATION_ORDER, creationOf, interfaceOf, planAddresses } from './plan.ts'
import { fingerprintOf } from './artifact.ts'
import { deployErrors } from './errors.ts'
import { findGuardDifferences, guardLines } from './guard.ts'
import { ROLES, grants, handoverCalls } from './permission.ts'
import { delaysOf, requireAdminDelay } from './settings.ts'
import { Contract, getCreateAddress } from 'ethers'
import type { Provider, Signer, TransactionReceipt } from 'ethers'
import type { Deployment } from './addresses-file.ts'
import type { ArtifactLoader, ContractName } from './artifact.ts'
import type { Addresses } from './plan.ts'
import type { Settings } from './settings.ts'

export interface DeployInput {
  /** The deployer; holds no role when this is done. */
  readonly signer: Signer
  readonly artifacts: ArtifactLoader
  readonly settings: Settings
  /** What an addresses file says is deployed already. */
  readonly existing?: Deployment | undefined
  /** One line per step, for people. */
  readonly report?: (line: string) => void
  /** How long one transaction may stay unmined, ms. */
  readonly miningTimeoutMs?: number
  /** Says what would be done and sends nothing. */
  readonly isDryRun?: boolean
}

interface Outcome extends Deployment {
  /** What this run created; empty when everything was there. */
  readonly created: readonly ContractName[]
  /** Guards that the chain keeps otherwise than the settings say, one line each. */
  readonly differences: readonly string[]
}

/**
 * Deploys what is missing, gives out the roles, lists cash as asset 0 and leaves the deployer without a role. Doing it
 * again with what it returned deploys nothing and says which guards the chain keeps otherwise than the settings. The
 * chain must mine by itself. Throws `deploy.*`.
 */
export async function deployMooring(input: DeployInput): Promise<Outcome> {
  const run = await DeploymentRun.start(input)
  const missing = await run.findMissing()
  if (input.isDryRun === true) {
    const differences = await run.foretell(missing)
    return { ...run.result(), created: [], differences }
  }
  const created = await run.create(missing)
  await run.handOver()
  if (created.length === 0) input.report?.('nothing to deploy: every contract is in place')
  return { ...run.result(), created, differences: await run.compareGuards() }
}

/** One walk through the steps with one deployer, whose nonces it counts itself so that nothing waits in between. */
class DeploymentRun {
  readonly #input: DeployInput
  readonly #provider: Provider
  readonly #deployer: string
  readonly #chainId: number
  readonly #at: Addresses
  #nonce: number
  #deployedAt: number | undefined

  constructor(input: DeployInput, provider: Provider, deployer: string, nonce: number, id: number) {
    const { settings, existing } = input
    this.#input = input
    this.#provider = provider
    this.#deployer = deployer
    this.#chainId = id
    this.#nonce = nonce
    this.#at = existing?.contracts ?? planAddresses(deployer, nonce, settings.cash.token)
    this.#deployedAt = existing?.deployedAt
  }

  static async start(input: DeployInput): Promise<DeploymentRun> {
    const provider = present(input.signer.provider, 'provider of the deployer')
    const deployer = await input.signer.getAddress()
    const { settings, existing } = input
    if (settings.admin.toLowerCase() === deployer.toLowerCase())
      throw deployErrors.admin_is_deployer()
    delaysOf(settings)
    if (!settings.deployCash && settings.cash.token === undefined) throw deployErrors.cash_missing()
    const [network, nonce] = await Promise.all([
      provider.getNetwork(),
      provider.getTransactionCount(deployer, 'pending'),
    ])
    const chainId = Number(network.chainId)
    if (existing !== undefined && existing.chainId !== chainId)
      throw deployErrors.wrong_chain(`file: ${existing.chainId}, node: ${chainId}`)
    requireAdminDelay(settings, chainId)
    return new DeploymentRun(input, provider, deployer, nonce, chainId)
  }

  /** Names without code, in the order of creation. With no addresses file that is everything. */
  async findMissing(): Promise<readonly ContractName[]> {
    const ours = CREATION_ORDER.filter(
      (name) => name !== 'CashToken' || this.#input.settings.deployCash,
    )
    const codes = await Promise.all(ours.map((name) => this.#provider.getCode(this.#at[name])))
    return ours.filter((_name, index) => codes[index] === '0x')
  }

  /** Creates the missing contracts at the addresses that the others already know. */
  async create(missing: readonly ContractName[]): Promise<readonly ContractName[]> {
    this.#requireReachable(missing)
    const terms = { deployer: this.#deployer, ...delaysOf(this.#input.settings) }
    const hashes: string[] = []
    for (const name of missing) {
      const { data, gasLimit } = creationOf(name, this.#input.artifacts, this.#at, terms)
      hashes.push(await this.#send({ data, gasLimit }))
      this.#input.report?.(`${name} ${this.#at[name]}`)
    }
    const receipts = await Promise.all(hashes.map((hash) => this.#mined(hash)))
    const blocks = receipts.map(({ blockNumber }) => blockNumber)
    if (blocks.length > 0) this.#deployedAt ??= Math.min(...blocks)
    return missing
  }

  /** Everything that needs the admin, in one transaction that also ends the deployer's own role. */
  async handOver(): Promise<void> {
    const { artifacts, settings } = this.#input
    const interfaces = (name: ContractName) => interfaceOf(artifacts(name).abi)
    const authority = new Contract(this.#at.Authority, interfaces('Authority'), this.#provider)
    const answer: unknown = await authority.getFunction('hasRole')(ROLES.ADMIN, this.#deployer)
    if (!Array.isArray(answer) || answer[0] !== true) return
    const calls = handoverCalls(interfaces, this.#at, settings, this.#deployer)
    const data = interfaces('Authority').encodeFunctionData('multicall', [calls])
    await this.#mined(await this.#send({ to: this.#at.Authority, data, gasLimit: 8_000_000n }))
    this.#input.report?.(`roles given; ${this.#deployer} holds none`)
  }

  /** What a run would do. */
  async foretell(missing: readonly ContractName[]): Promise<readonly string[]> {
    const { settings, report = () => undefined } = this.#input
    this.#requireReachable(missing)
    for (const name of missing) report(`would create ${name} ${this.#at[name]}`)
    if (missing.length === 0) {
      report('nothing to deploy: every contract is in place')
      return await this.compareGuards()
    }
    for (const { role, to, delaySeconds } of grants(settings))
      report(`would give ${role} to ${to}, whose calls wait for ${delaySeconds} s`)
    for (const line of guardLines(settings)) report(`would set ${line}`)
    return []
  }

  /** Tells only: the deployer, who holds no role any more, could not mend a difference. */
  async compareGuards(): Promise<readonly string[]> {
    const { artifacts, settings, report } = this.#input
    const found = await findGuardDifferences(this.#provider, artifacts, this.#at, settings)
    for (const line of found) report?.(line)
    return found
  }

  result(): Deployment {
    return {
      chainId: this.#chainId,
      deployedAt: this.#deployedAt ?? 0,
      fingerprint: this.#input.existing?.fingerprint ?? fingerprintOf(this.#input.artifacts),
      contracts: this.#at,
    }
  }

  /** A planned address can be had only with its own nonce. */
  #requireReachable(missing: readonly ContractName[]): void {
    const reachable = missing.every(
      (name, index) =>
        this.#at[name] === getCreateAddress({ from: this.#deployer, nonce: this.#nonce + index }),
    )
    if (!reachable) throw deployErrors.contracts_incomplete(missing.join(', '))
  }

  async #send(request: { to?: string; data: string; gasLimit: bigint }): Promise<string> {
    const { hash } = await this.#input.signer.sendTransaction({ ...request, nonce: this.#nonce })
    this.#nonce += 1
    return hash
  }

  async #mined(hash: string): Promise<TransactionReceipt> {
    const attempts = Math.ceil((this.#input.miningTimeoutMs ?? 180_000) / POLL_MS)
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      const receipt = await this.#provider.getTransactionReceipt(hash)
      if (receipt?.status === 1) return receipt
      if (receipt !== null) throw deployErrors.transaction_failed(hash)
      await sleep(POLL_MS)
    }
    throw deployErrors.transaction_missing(hash)
  }
}

const POLL_MS = 50
