/** What a route asks of its caller, such as `orders:write`; the roles that have it are not known here. */
export type Permission = `${string}:${string}`

/** Who makes a request, as the bearer of the request proves it. */
export interface Principal {
  /** `usr_…` */
  readonly userId: string
  /** `acc_…` */
  readonly accountId: string
  /** The account's number on the chain and in the ledger. */
  readonly chainAccount: number
  readonly roles: readonly string[]
  readonly permissions: ReadonlySet<string>
  /** `key_…`, when the bearer is an API key. */
  readonly keyId?: string | undefined
}

export interface Authenticator {
  /** Throws `platform.unauthenticated` or `platform.token_expired`. */
  authenticate(bearer: string): Promise<Principal>
}
