import { theWorld } from '../world.ts'

/** `setTimeout` of `node:timers/promises` on the virtual clock. */
export function setTimeout<T>(
  delayMs: number,
  value?: T,
  options: { readonly signal?: AbortSignal } = {},
): Promise<T | undefined> {
  const { signal } = options
  const { promise, resolve, reject } = Promise.withResolvers<T | undefined>()
  if (signal?.aborted === true) return Promise.reject(signal.reason)
  const cancel = theWorld().schedule(delayMs, () => {
    signal?.removeEventListener('abort', abort)
    resolve(value)
  })
  function abort(): void {
    cancel()
    reject(signal?.reason)
  }
  signal?.addEventListener('abort', abort, { once: true })
  return promise
}

export function setImmediate(): Promise<void> {
  return setTimeout(0).then(() => undefined)
}
