declare const brand: unique symbol

/** A `T` that only its own constructor can mint, so that two kinds of number never mix. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name }

/** Mints a brand. The caller has checked the value; this is the only cast of the kind. */
export function mint<B extends Brand<bigint | number | string, string>>(
  value: bigint | number | string,
): B {
  return value as B
}
