import { createServer } from 'node:net'
import { present } from '#kernel/assert.ts'

/** A TCP port of the loopback interface that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = present(server.address(), 'address of a listening server')
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return typeof address === 'string' ? 0 : address.port
}
