import { createServer } from 'node:net'

/** Below what Linux (32768), macOS and Windows (49152) give to outgoing connections by themselves. */
const LOWEST = 15_000
const HIGHEST = 32_000
const ATTEMPTS = 100

const given = new Set<number>()

/**
 * A TCP port of the loopback interface that nobody listens on, and which no outgoing connection takes
 * before its user does.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST))
    if (given.has(port) || !(await isFree(port))) continue
    given.add(port)
    return port
  }
  throw new RangeError(`no free port between ${LOWEST} and ${HIGHEST}`)
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const isBound = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => resolve(true))
  })
  if (isBound) await new Promise<void>((resolve) => server.close(() => resolve()))
  return isBound
}
