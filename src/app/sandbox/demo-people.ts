import { randomToken } from '#platform/crypto.ts'
import type { AccountsService } from '#accounts/service.ts'
import { present } from '#kernel/assert.ts'
import { DEMO_USERS, type DemoUser } from './demo-data.ts'
import { newPrivateKey } from './secrets.ts'
import type { Identity } from './secrets-file.ts'

/** Invents the secrets of the demo users, before any of them is registered. */
export function inventIdentities(adminKey: string): readonly Identity[] {
  return DEMO_USERS.map((user) => {
    const privateKey = keyOf(user, adminKey)
    return {
      role: user.role,
      email: user.email,
      password: randomToken(18),
      apiKey: `mk_${randomToken(32)}`,
      ...(privateKey !== undefined && { privateKey }),
    }
  })
}

/** The admin's wallet rules the contracts; others have one of their own if they hold assets. */
function keyOf(user: DemoUser, adminKey: string): string | undefined {
  if (user.role === 'admin') return adminKey
  return user.hasWallet ? newPrivateKey() : undefined
}

export interface DemoAccount extends Identity {
  readonly accountId: string
  readonly chainAccount: number
}

/** Makes the demo users that are not there yet, each with its key. */
export async function admitDemoUsers(
  accounts: AccountsService,
  identities: readonly Identity[],
): Promise<readonly DemoAccount[]> {
  const admitted: DemoAccount[] = []
  for (const [place, identity] of identities.entries()) {
    const { email, password, role, apiKey } = identity
    const name = DEMO_USERS[place]?.name ?? email
    const user =
      (await accounts.findUserByEmail(email)) ??
      (await accounts.createUser({ email, password, name, roles: [role] }))
    await accounts.createApiKey({ email, name: 'sandbox', key: apiKey })
    const { accountId, chainAccount } = present(user, email)
    admitted.push({ ...identity, accountId, chainAccount })
  }
  return admitted
}
