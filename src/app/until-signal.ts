const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Resolves at the first signal that asks the process to stop; a second one ends it at once. */
export function untilSignal(): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>()
  const stop = (signal: NodeJS.Signals): void => {
    resolve(signal)
    for (const name of SIGNALS) {
      process.off(name, stop)
      process.once(name, () => process.exit(130))
    }
  }
  for (const name of SIGNALS) process.on(name, stop)
  return promise
}
