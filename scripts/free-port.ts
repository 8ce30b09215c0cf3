import { createServer } from 'node:net'

/** Below what Linux (32768), macOS and Windows (49152) give to outgoing connections by themselves. */
const LOWEST = 15_000
const HIGHEST = 32_000
const ATTEMPTS = 1000

/**
 * Each worker of a test run has ports of its own: nobody listens yet on one that another worker was
 * given a moment ago.
 */
const WORKERS = 8
const WORKER = Number(process.env['VITEST_POOL_ID'] ?? 0) % WORKERS

const given = new Set<number>()

/**
 * A TCP port of the loopback interface that nobody listens on, and which no outgoing connection takes
 * before its user does.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const place = Math.floor((Math.random() * (HIGHEST - LOWEST)) / WORKERS)
    const port = LOWEST + place * WORKERS + WORKER
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
