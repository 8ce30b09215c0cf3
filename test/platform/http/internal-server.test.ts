import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { InternalServer } from '#platform/http/internal-server.ts'
import { reply, route } from '#platform/http/route.ts'
import { silentLog } from '../../support/database.ts'

const TOKEN = 'a secret of this node'
const open: InternalServer[] = []

async function start(token: string | undefined): Promise<InternalServer> {
  const server = new InternalServer({ host: '127.0.0.1', port: 0, token, log: silentLog })
  server.handle('POST', '/internal/echo', (body) =>
    Promise.resolve({ status: 200, contentType: 'text/plain', body }),
  )
  server.serve([
    route({
      method: 'GET',
      path: '/livez',
      id: 'getLiveness',
      summary: 'Lives',
      tags: ['system'],
      permission: 'public',
      responses: { 200: z.strictObject({ status: z.literal('alive') }) },
      errors: [],
      handle: () => reply(200, { status: 'alive' }),
    }),
  ])
  await server.start()
  open.push(server)
  return server
}

afterEach(async () => {
  for (const server of open.splice(0)) await server.stop()
})

describe('the listener for other processes', () => {
  let server: InternalServer
  beforeEach(async () => {
    server = await start(TOKEN)
  })

  const echo = async (authorization?: string, to = server): Promise<Response> =>
    await fetch(`${to.address}/internal/echo`, {
      method: 'POST',
      body: 'hello',
      ...(authorization !== undefined && { headers: { authorization } }),
    })

  it('answers a bearer of the token', async () => {
    const answer = await echo(`Bearer ${TOKEN}`)
    expect([answer.status, await answer.text()]).toEqual([200, 'hello'])
  })

  it.each([undefined, '', 'Bearer ', `Bearer ${TOKEN}x`, `bearer ${TOKEN}`, TOKEN])(
    'refuses anybody else: %s',
    async (authorization) => {
      const answer = await echo(authorization)
      expect(answer.status).toBe(401)
      expect(await answer.json()).toMatchObject({ code: 'platform.unauthenticated' })
    },
  )

  it('takes no command at all where no token is set', async () => {
    const bare = await start(undefined)
    for (const given of [undefined, 'Bearer ', 'Bearer undefined'])
      expect((await echo(given, bare)).status).toBe(401)
  })

  it('answers probes without a token, and knows nothing else', async () => {
    expect(await (await fetch(`${server.address}/livez`)).json()).toEqual({ status: 'alive' })
    expect((await fetch(`${server.address}/internal/echo`)).status).toBe(404)
    expect((await fetch(`${server.address}/v1/me`)).status).toBe(404)
  })
})
