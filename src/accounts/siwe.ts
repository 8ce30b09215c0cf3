import { formatInstant, type Instant } from '#kernel/time.ts'

/** Where the message is to be shown, so that no other site can use it. */
export interface Site {
  /** Host and port, such as `127.0.0.1:8080`. */
  readonly domain: string
  readonly uri: string
  readonly chainId: number
}

export interface SiweClaims {
  /** Checksummed (EIP-55). */
  readonly address: string
  readonly accountId: string
  /** At least eight letters and digits. */
  readonly nonce: string
  readonly issuedAt: Instant
  readonly expiresAt: Instant
}

export const CHALLENGE_LIFE_MS = 600_000

/** The text of ERC-4361 (Sign-In with Ethereum) that links a wallet to an account. */
export function buildSiweMessage(site: Site, claims: SiweClaims): string {
  return [
    `${site.domain} wants you to sign in with your Ethereum account:`,
    claims.address,
    '',
    `Link this wallet to account ${claims.accountId}. This costs nothing.`,
    '',
    `URI: ${site.uri}`,
    'Version: 1',
    `Chain ID: ${site.chainId}`,
    `Nonce: ${claims.nonce}`,
    `Issued At: ${formatInstant(claims.issuedAt)}`,
    `Expiration Time: ${formatInstant(claims.expiresAt)}`,
  ].join('\n')
}
