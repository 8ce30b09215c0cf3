/** Whose records a person reads: those of the own account, or everybody's. */
export interface Reader {
  readonly chainAccount: number
  readonly seesAll: boolean
}

/** Auditors see all. */
export function readerOf(principal: {
  readonly chainAccount: number
  readonly permissions: ReadonlySet<string>
}): Reader {
  const { chainAccount, permissions } = principal
  return { chainAccount, seesAll: permissions.has('audit:read') }
}

export function mayRead(reader: Reader, chainAccount: number): boolean {
  return reader.seesAll || reader.chainAccount === chainAccount
}
