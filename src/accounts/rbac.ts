/** What a person is to the platform; everybody is an investor too. */
export const ROLES = [
  'investor',
  'issuer',
  'compliance',
  'treasurer',
  'operator',
  'auditor',
  'admin',
] as const

export type Role = (typeof ROLES)[number]

const PERMISSIONS_OF = {
  investor: [
    'account:read',
    'wallets:write',
    'assets:read',
    'balances:read',
    'orders:read',
    'orders:write',
    'trades:read',
    'deposits:read',
    'withdrawals:read',
    'withdrawals:write',
    'settlements:read',
    'operations:read',
  ],
  issuer: ['assets:write', 'assets:approve', 'assets:tokenize', 'supply:read'],
  compliance: ['registrations:read', 'registrations:write'],
  treasurer: ['supply:read', 'supply:write'],
  operator: [
    'assets:approve',
    'markets:write',
    'settlements:write',
    'reconciliation:read',
    'supply:read',
    'transactions:read',
    'transactions:write',
    'breakers:read',
    'breakers:write',
  ],
  auditor: [
    'journal:read',
    'reconciliation:read',
    'registrations:read',
    'supply:read',
    'users:read',
    'audit:read',
    'transactions:read',
    'breakers:read',
  ],
  admin: ['users:read', 'users:write'],
} as const satisfies Record<Role, readonly `${string}:${string}`[]>

export const PERMISSIONS: ReadonlySet<string> = new Set(Object.values(PERMISSIONS_OF).flat())

export function isRole(text: string): text is Role {
  return ROLES.some((role) => role === text)
}

/** All that a person with these roles may do; `scopes` narrows it and never widens it. */
export function permissionsOf(
  roles: readonly Role[],
  scopes: readonly string[] | null = null,
): ReadonlySet<string> {
  const granted = roles.flatMap((role): readonly string[] => PERMISSIONS_OF[role])
  return new Set(scopes === null ? granted : granted.filter((each) => scopes.includes(each)))
}
