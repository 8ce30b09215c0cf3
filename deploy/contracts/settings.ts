import { deployErrors } from './errors.ts'
import { ZeroAddress, getAddress, isAddress } from 'ethers'

/** Who signs, and how many of them are needed. Addresses in any order. */
export interface Quorum {
  readonly addresses: readonly string[]
  readonly threshold: number
}

/** Who gets which role, and which token is cash. Addresses are `0x…`. */
export interface Settings {
  readonly admin: string
  readonly settler: string
  readonly registrar: string
  readonly pauser: string
  /** Default: the admin, without delay. */
  readonly unpauser?: string
  /** Freezes accounts at once and names the freezers of assets; default: the admin. */
  readonly freezer?: string
  /** Who attests reserves; default: nobody, so that there are none. */
  readonly reserveAttestors?: Quorum
  /** Who attests batches; default: nobody. The node sends no attestations: with any, each of its batches reverts. */
  readonly batchAttestors?: Quorum
  /** What trade batches may credit of cash per hour, atoms; default: no cap. The node does not heed it. */
  readonly cashTurnoverCap?: bigint
  /** How long the admin's calls wait, seconds. */
  readonly adminDelaySeconds: number
  /** How long an upgrade of a token waits; default: the exit delay and two settlement cycles. */
  readonly upgradeDelaySeconds?: number
  /** How long an exit waits; default: a day. */
  readonly exitDelaySeconds?: number
  /** How long without a batch until every exit is free; default: a week. */
  readonly exitModeAfterSeconds?: number
  /** Longest time between two batches of the node in normal times; default: an hour. */
  readonly settlementCycleSeconds?: number
  /** `token` is not needed with `deployCash`; `scale` is token units per atom. */
  readonly cash: { readonly token?: string; readonly scale: bigint }
  /** Creates the test cash token, which anyone may mint. */
  readonly deployCash: boolean
}

/** The delays of a deployment, with what stands for those that were not given. */
interface Delays {
  readonly upgradeDelaySeconds: number
  readonly exitDelaySeconds: number
  readonly exitModeAfterSeconds: number
}

const DAY_SECONDS = 86_400

/**
 * Delays of the settings. Throws `deploy.upgrade_delay_short` when somebody who dislikes an upgrade could not be out
 * before it: an upgrade waits at least for the exit delay and two settlement cycles.
 */
export function delaysOf(settings: Settings): Delays {
  const exitDelaySeconds = settings.exitDelaySeconds ?? DAY_SECONDS
  const cycle = settings.settlementCycleSeconds ?? 3_600
  const least = exitDelaySeconds + 2 * cycle
  const upgradeDelaySeconds = settings.upgradeDelaySeconds ?? least
  if (upgradeDelaySeconds < least)
    throw deployErrors.upgrade_delay_short(
      `upgrade delay ${upgradeDelaySeconds} s < exit delay ${exitDelaySeconds} s + 2 cycles of ${cycle} s`,
    )
  const exitModeAfterSeconds = settings.exitModeAfterSeconds ?? 7 * DAY_SECONDS
  return { upgradeDelaySeconds, exitDelaySeconds, exitModeAfterSeconds }
}

/** The chain of sandboxes and tests, whose tokens are worth nothing. */
const LOCAL_CHAIN_ID = 31_337

/**
 * Throws `deploy.admin_delay_short` when the admin would wait less than an upgrade, since it can change what protects the
 * holders as much as an upgrade can. A local chain is free to.
 */
export function requireAdminDelay(settings: Settings, chainId: number): void {
  const { upgradeDelaySeconds } = delaysOf(settings)
  if (chainId === LOCAL_CHAIN_ID || settings.adminDelaySeconds >= upgradeDelaySeconds) return
  throw deployErrors.admin_delay_short(
    `admin delay ${settings.adminDelaySeconds} s < upgrade delay ${upgradeDelaySeconds} s`,
  )
}

type Variables = Readonly<Record<string, string | undefined>>

function required(variables: Variables, name: string): string {
  const value = variables[name]
  if (value === undefined || value === '') throw deployErrors.setting_missing(`set ${name}`)
  return value
}

function address(variables: Variables, name: string): string {
  const value = required(variables, name)
  if (!isAddress(value)) throw deployErrors.setting_malformed(`${name} is not an address`)
  return getAddress(value)
}

function wholeNumber(variables: Variables, name: string, otherwise: string): bigint {
  const value = variables[name] ?? otherwise
  if (!/^\d{1,18}$/.test(value)) throw deployErrors.setting_malformed(`${name} is no whole number`)
  return BigInt(value)
}

function optionalAddress(variables: Variables, name: string): string | undefined {
  return (variables[name] ?? '') === '' ? undefined : address(variables, name)
}

function seconds(variables: Variables, name: string): number | undefined {
  return (variables[name] ?? '') === '' ? undefined : Number(wholeNumber(variables, name, '0'))
}

/** As many as the contracts keep. */
const MAX_ATTESTORS = 32

/** `0x…,0x…/2`: addresses and how many of them are needed. */
function quorum(variables: Variables, name: string): Quorum | undefined {
  const value = variables[name] ?? ''
  if (value === '') return undefined
  const [list = '', threshold = ''] = value.split('/')
  const written = list.split(',').map((one) => one.trim())
  const needed = Number(threshold)
  const impossible = !/^[1-9]\d?$/.test(threshold) || needed > written.length
  if (impossible || !written.every((one) => isAddress(one)))
    throw deployErrors.setting_malformed(`${name} is not of the form 0x…,0x…/2`)
  const addresses = written.map((one) => getAddress(one))
  if (new Set(addresses).size < addresses.length)
    throw deployErrors.setting_malformed(`${name} names an address twice, which would count once`)
  if (addresses.includes(ZeroAddress) || addresses.length > MAX_ATTESTORS)
    throw deployErrors.setting_malformed(
      `${name} names the zero address or more than ${MAX_ATTESTORS} attestors`,
    )
  return { addresses, threshold: needed }
}

/** Throws `deploy.attestors_unsupported` unless somebody has said that the batches come from elsewhere. */
function batchAttestors(variables: Variables): Quorum | undefined {
  const found = quorum(variables, 'MOORING_BATCH_ATTESTORS')
  if (found === undefined || variables['MOORING_BATCH_ATTESTORS_CONFIRMED'] === '1') return found
  throw deployErrors.attestors_unsupported(
    'the node sends no attestations, so every batch of it would revert and it would not become ready; ' +
      'leave MOORING_BATCH_ATTESTORS out, or set MOORING_BATCH_ATTESTORS_CONFIRMED=1 where another settler sends them',
  )
}

const MOST_CAP_DIGITS = 511n

/** The chain keeps the leading digits of a cap; one that it would round is not what was asked for. */
function turnoverCap(variables: Variables, name: string): bigint | undefined {
  if ((variables[name] ?? '') === '') return undefined
  const cap = wholeNumber(variables, name, '')
  let digits = cap
  while (digits > MOST_CAP_DIGITS && digits % 10n === 0n) digits /= 10n
  if (cap > 0n && digits <= MOST_CAP_DIGITS) return cap
  throw deployErrors.setting_malformed(
    `${name} is at least 1 and, but for zeros at its end, at most ${MOST_CAP_DIGITS}`,
  )
}

/** Leaves out what is undefined. */
function given<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> }
}

/**
 * Settings from variables: `MOORING_ADMIN`, `MOORING_SETTLER`, `MOORING_REGISTRAR`, `MOORING_PAUSER`, optionally
 * `MOORING_UNPAUSER`, `MOORING_FREEZER`, `MOORING_RESERVE_ATTESTORS` (`0x…,0x…/2`), `MOORING_BATCH_ATTESTORS` (the
 * same, with `MOORING_BATCH_ATTESTORS_CONFIRMED=1`), `MOORING_CASH_TURNOVER_CAP`, `MOORING_ADMIN_DELAY_SECONDS`
 * (172800), `MOORING_UPGRADE_DELAY_SECONDS`, `MOORING_EXIT_DELAY_SECONDS` (86400), `MOORING_EXIT_MODE_SECONDS`
 * (604800), `MOORING_CYCLE_SECONDS` (3600), `MOORING_CASH_TOKEN` (none: the test token), `MOORING_CASH_SCALE` (1).
 */
export function settingsFrom(variables: Variables): Settings {
  const cashToken = optionalAddress(variables, 'MOORING_CASH_TOKEN')
  return {
    admin: address(variables, 'MOORING_ADMIN'),
    settler: address(variables, 'MOORING_SETTLER'),
    registrar: address(variables, 'MOORING_REGISTRAR'),
    pauser: address(variables, 'MOORING_PAUSER'),
    adminDelaySeconds: Number(wholeNumber(variables, 'MOORING_ADMIN_DELAY_SECONDS', '172800')),
    cash: {
      ...(cashToken !== undefined && { token: cashToken }),
      scale: wholeNumber(variables, 'MOORING_CASH_SCALE', '1'),
    },
    deployCash: cashToken === undefined,
    ...given({
      unpauser: optionalAddress(variables, 'MOORING_UNPAUSER'),
      freezer: optionalAddress(variables, 'MOORING_FREEZER'),
      reserveAttestors: quorum(variables, 'MOORING_RESERVE_ATTESTORS'),
      batchAttestors: batchAttestors(variables),
      cashTurnoverCap: turnoverCap(variables, 'MOORING_CASH_TURNOVER_CAP'),
      upgradeDelaySeconds: seconds(variables, 'MOORING_UPGRADE_DELAY_SECONDS'),
      exitDelaySeconds: seconds(variables, 'MOORING_EXIT_DELAY_SECONDS'),
      exitModeAfterSeconds: seconds(variables, 'MOORING_EXIT_MODE_SECONDS'),
      settlementCycleSeconds: seconds(variables, 'MOORING_CYCLE_SECONDS'),
    }),
  }
}
