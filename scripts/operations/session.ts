import hre, { network } from 'hardhat'
import { present } from '#kernel/assert.ts'
import { isJsonObject } from '#kernel/json.ts'
import { fileURLToPath } from 'node:url'
import { readDeployment } from '../../deploy/contracts/addresses-file.ts'
import { deployErrors } from '../../deploy/contracts/errors.ts'
import { BrowserProvider, getAddress, isAddress } from 'ethers'
import { speaking } from './spoken-refusal.ts'
import type { Operation } from '../../deploy/operations/operation.ts'

/** The network that was named; the one inside Hardhat forgets everything when the script ends. */
export async function connect() {
  if (hre.globalOptions.network !== undefined) return await network.create()
  throw deployErrors.setting_missing(
    'say --network <name>; <NAME>_RPC_URL and <NAME>_DEPLOYER_KEY make a network',
  )
}

/** Signer, addresses and mode of an operator's script: `MOORING_ADDRESSES`, `MOORING_DRY_RUN=1`. */
export async function openSession(): Promise<Operation> {
  const connection = await connect()
  const { ethers } = connection
  // Hardhat's own hands on whatever a node says of a revert; that of ethers names it CALL_EXCEPTION.
  const provider = new BrowserProvider(speaking(connection.provider), undefined, {
    cacheTimeout: -1,
  })
  const signer = present((await ethers.getSigners())[0], 'an account of this network')
  const { chainId } = await ethers.provider.getNetwork()
  const file = new URL(`../../deploy/addresses/${chainId}.json`, import.meta.url)
  const path = variable('MOORING_ADDRESSES') ?? fileURLToPath(file)
  const deployment = readDeployment(path)
  if (deployment === undefined) throw deployErrors.setting_missing(`there is no ${path}`)
  const isDryRun = variable('MOORING_DRY_RUN') !== undefined
  const report = (line: string): void => void process.stdout.write(`${line}\n`)
  const { isTTY } = process.stderr
  const progress = isTTY
    ? (text: string): void => void process.stderr.write(`\r\u001B[2K${text}`)
    : undefined
  report(`${isDryRun ? 'dry run' : 'for real'} on chain ${chainId} as ${await signer.getAddress()}`)
  return { signer, provider, deployment, isDryRun, report, progress }
}

/** A variable that is set and not empty. */
export function variable(name: string): string | undefined {
  const value = process.env[name] ?? ''
  return value === '' ? undefined : value
}

export function requiredVariable(name: string): string {
  const value = variable(name)
  if (value === undefined) throw deployErrors.setting_missing(`set ${name}`)
  return value
}

export function addressVariable(name: string): string {
  const value = requiredVariable(name)
  if (!isAddress(value)) throw deployErrors.setting_malformed(`${name} is not an address`)
  return getAddress(value)
}

/** A whole number below 2⁵³. */
export function numberVariable(name: string, otherwise: string): number {
  const value = variable(name) ?? otherwise
  if (!/^\d{1,15}$/.test(value)) throw deployErrors.setting_malformed(`${name} is no whole number`)
  return Number(value)
}

/** Runs a script of an operator. */
export async function runScript(main: (operation: Operation) => Promise<unknown>): Promise<void> {
  await orSayWhy(async () => await main(await openSession()))
}

/** A refusal is one line and exit code 1. */
export async function orSayWhy(main: () => Promise<unknown>): Promise<void> {
  try {
    await main()
  } catch (error) {
    process.stderr.write(`${reasonOf(error)}\n`)
    process.exitCode = 1
  }
}

/** Our own errors have a dotted code, those of ethers the endpoint's words or short ones of its own; all else is a bug. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) throw error
  const said = 'error' in error && isJsonObject(error.error) ? error.error['message'] : undefined
  if (typeof said === 'string') return said
  if ('shortMessage' in error) return String(error.shortMessage)
  if (!('code' in error) || !String(error.code).includes('.')) throw error
  return 'detail' in error ? `${String(error.code)}: ${String(error.detail)}` : String(error.code)
}
