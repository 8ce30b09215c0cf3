import type { Role } from '#accounts/rbac.ts'

/** One person of the sandbox; a wallet is made for those who hold assets. */
export interface DemoUser {
  readonly name: string
  readonly role: Role
  readonly email: string
  readonly hasWallet: boolean
}

const user = (name: string, role: Role, hasWallet = false): DemoUser => ({
  name,
  role,
  email: `${name.toLowerCase().replaceAll(' ', '-')}@sandbox.example`,
  hasWallet,
})

export const DEMO_USERS: readonly DemoUser[] = [
  user('Admin', 'admin'),
  user('Operator', 'operator'),
  user('Auditor', 'auditor'),
  user('Treasurer', 'treasurer'),
  user('Compliance officer', 'compliance'),
  user('Issuer', 'issuer', true),
  user('Second issuer', 'issuer', true),
  user('Investor one', 'investor', true),
  user('Investor two', 'investor', true),
]

export const DEMO_ASSET = {
  symbol: 'HARBOR',
  name: 'Harbor Warehouse I',
  class: 'real_estate',
  decimals: 2,
  reserve: 'none',
} as const

export const DEMO_SUPPLY = '100000.00'

export const DEMO_MARKET = {
  symbol: 'HARBOR-USD',
  base: 'HARBOR',
  quote: 'USD',
  tick_size: '0.01',
  lot_size: '0.01',
  maker_fee_bps: 5,
  taker_fee_bps: 10,
} as const

/** What each investor deposits, in cash. */
export const DEMO_DEPOSIT = '1000000'

/** What investor two buys of the issuer, so that both sides of the market have something to trade. */
export const DEMO_ALLOTMENT = { quantity: '5000.00', price: '100.00' } as const
