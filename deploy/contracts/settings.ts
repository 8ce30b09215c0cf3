import { deployErrors } from './errors.ts'
import { getAddress, isAddress } from 'ethers'

/** Who gets which role, and which token is cash. Addresses are `0x…`. */
export interface Settings {
  readonly admin: string
  readonly settler: string
  readonly registrar: string
  readonly pauser: string
  /** Default: the admin, without delay. */
  readonly unpauser?: string
  /** How long the admin's calls wait, seconds. */
  readonly adminDelaySeconds: number
  /** `token` is not needed with `deployCash`; `scale` is token units per atom. */
  readonly cash: { readonly token?: string; readonly scale: bigint }
  /** Creates the test cash token, which anyone may mint. */
  readonly deployCash: boolean
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

/**
 * Settings from variables: `MOORING_ADMIN`, `MOORING_SETTLER`, `MOORING_REGISTRAR`, `MOORING_PAUSER`, optionally
 * `MOORING_UNPAUSER`, `MOORING_ADMIN_DELAY_SECONDS` (172800), `MOORING_CASH_TOKEN` (none: the test token),
 * `MOORING_CASH_SCALE` (1).
 */
export function settingsFrom(variables: Variables): Settings {
  const has = (name: string): boolean => (variables[name] ?? '') !== ''
  const cashToken = has('MOORING_CASH_TOKEN') ? address(variables, 'MOORING_CASH_TOKEN') : undefined
  return {
    admin: address(variables, 'MOORING_ADMIN'),
    settler: address(variables, 'MOORING_SETTLER'),
    registrar: address(variables, 'MOORING_REGISTRAR'),
    pauser: address(variables, 'MOORING_PAUSER'),
    ...(has('MOORING_UNPAUSER') && { unpauser: address(variables, 'MOORING_UNPAUSER') }),
    adminDelaySeconds: Number(wholeNumber(variables, 'MOORING_ADMIN_DELAY_SECONDS', '172800')),
    cash: {
      ...(cashToken !== undefined && { token: cashToken }),
      scale: wholeNumber(variables, 'MOORING_CASH_SCALE', '1'),
    },
    deployCash: cashToken === undefined,
  }
}
