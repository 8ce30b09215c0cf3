import { formatInstant } from '#kernel/time.ts'
import { reply, route, type Route } from '#platform/http/route.ts'
import { accountsErrors } from './errors.ts'
import * as schema from './schema.ts'
import type { AccountsService } from './service.ts'
import type { User } from './user.ts'

export function accountsRoutes(service: AccountsService): readonly Route[] {
  return [register(service), logIn(service), challenge(service)]
}

function register(service: AccountsService): Route {
  return route({
    method: 'POST',
    path: '/v1/users',
    id: 'registerUser',
    summary: 'Register as an investor',
    tags: ['accounts'],
    permission: 'public',
    rate: 'login',
    body: schema.newUser,
    responses: { 201: schema.user },
    errors: [accountsErrors.email_taken, accountsErrors.weak_password],
    handle: async ({ body }) => reply(201, present(await service.createUser(body))),
  })
}

function logIn(service: AccountsService): Route {
  return route({
    method: 'POST',
    path: '/v1/sessions',
    id: 'logIn',
    summary: 'Log in with email and password',
    tags: ['accounts'],
    permission: 'public',
    rate: 'login',
    body: schema.credentials,
    responses: { 201: schema.session },
    errors: [accountsErrors.wrong_credentials],
    handle: async ({ body, remoteAddress }) => {
      const { accessToken, expiresInSeconds } = await service.logIn({ ...body, remoteAddress })
      return reply(201, { access_token: accessToken, expires_in: expiresInSeconds })
    },
  })
}

function challenge(service: AccountsService): Route {
  return route({
    method: 'POST',
    path: '/v1/wallets/challenge',
    id: 'createWalletChallenge',
    summary: 'Ask for the text that links a wallet once it is signed; a newer one replaces it',
    tags: ['accounts'],
    permission: 'wallets:write',
    body: schema.challengeRequest,
    responses: { 200: schema.challenge },
    errors: [accountsErrors.address_invalid],
    handle: async ({ body, principal }) => {
      const { message, expiresAt } = await service.createChallenge(principal, body.address)
      return reply(200, { message, expires_at: formatInstant(expiresAt) })
    },
  })
}

function present({ id, email, name, roles, accountId }: User) {
  return { id, email, name, roles, account_id: accountId }
}
