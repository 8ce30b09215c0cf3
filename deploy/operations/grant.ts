import { contractOf } from './operation.ts'
import { performCall } from './delayed-call.ts'
import { deployErrors } from '../contracts/errors.ts'
import { ROLES, roleOfAsset } from '../contracts/permission.ts'
import type { Outcome } from './delayed-call.ts'
import type { Operation } from './operation.ts'
import type { Role } from '../contracts/permission.ts'

/** A role for somebody, of one asset where `asset` is given. */
export interface Grant {
  readonly role: Role
  readonly asset?: number | undefined
  readonly to: string
  /** How long each call of the holder waits, seconds. */
  readonly delaySeconds: number
}

/** A role by its name in contracts/access/Roles.sol; throws `deploy.setting_malformed` for others. */
export function parseRole(name: string): Role {
  const known = Object.keys(ROLES)
  if (!isRole(name)) throw deployErrors.setting_malformed(`role is one of ${known.join(', ')}`)
  return name
}

function isRole(name: string): name is Role {
  return name in ROLES
}

/** Grants a role, scheduling the grant when the signer's own role waits. Granting again never shortens a delay. */
export async function grantRole(operation: Operation, grant: Grant): Promise<Outcome> {
  const { role, asset, to, delaySeconds } = grant
  const id = asset === undefined ? ROLES[role] : roleOfAsset(role, asset)
  const authority = contractOf(operation, 'Authority')
  const data = authority.interface.encodeFunctionData('grantRole', [id, to, delaySeconds])
  const scope = asset === undefined ? '' : ` of asset ${asset}`
  const title = `grant ${role}${scope} (${id}) to ${to} with ${delaySeconds} s delay`
  return await performCall(operation, { target: await authority.getAddress(), data, title })
}
