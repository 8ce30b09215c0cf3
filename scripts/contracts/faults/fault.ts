/** A deliberate mistake in a contract: `find` must occur exactly once in the file. */
export interface Fault {
  /** Below contracts/. */
  readonly file: string
  readonly find: string
  readonly replace: string
  /** Number of the invariant that must find it alone. */
  readonly invariant?: number
}
