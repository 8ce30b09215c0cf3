import { accountsErrors } from '#accounts/errors.ts'
import { pageOf } from '#kernel/page.ts'
import { formatInstant, instant, type Instant } from '#kernel/time.ts'
import { reply, replyOnce, route, type Route } from '#platform/http/route.ts'
import { pageRequest } from '#platform/http/schema-parts.ts'
import { complianceErrors } from './errors.ts'
import * as schema from './schema.ts'
import type { ComplianceService } from './service.ts'
import type { WalletRegistration } from './wallet-registration.ts'

export function complianceRoutes(service: ComplianceService): readonly Route[] {
  return [me(service), link(service), list(service), approve(service), refuse(service)]
}

function me(service: ComplianceService): Route {
  return route({
    method: 'GET',
    path: '/v1/me',
    id: 'getMe',
    summary: 'Who you are, what you may do, and how far your wallet is',
    tags: ['accounts'],
    permission: 'account:read',
    responses: { 200: schema.me },
    errors: [accountsErrors.user_not_found],
    handle: async ({ principal }) => {
      const { user, registration, stop } = await service.getMe(principal.userId)
      const { id, email, name, roles, accountId, chainAccount } = user
      return reply(200, {
        id,
        email,
        name,
        roles,
        permissions: [...principal.permissions].toSorted(),
        account_id: accountId,
        chain_account: chainAccount,
        stop: stop ?? null,
        wallet: registration === undefined ? null : registration.wallet,
        registration: registration === undefined ? null : presentState(registration),
      })
    },
  })
}

function link(service: ComplianceService): Route {
  return route({
    method: 'POST',
    path: '/v1/wallets',
    id: 'linkWallet',
    summary: 'Link the wallet that signed the challenge; an officer then approves it',
    tags: ['accounts'],
    permission: 'wallets:write',
    body: schema.walletProof,
    responses: { 201: schema.wallet },
    errors: [
      accountsErrors.address_invalid,
      accountsErrors.challenge_not_found,
      accountsErrors.signature_wrong,
      complianceErrors.wallet_linked,
      complianceErrors.wallet_taken,
    ],
    handle: async ({ body, principal }) => {
      const { wallet, status } = await service.linkWallet(principal, body)
      return reply(201, { address: wallet, status })
    },
  })
}

function list(service: ComplianceService): Route {
  return route({
    method: 'GET',
    path: '/v1/registrations',
    id: 'listRegistrations',
    summary: 'The wallets that wait for an officer, and those that were decided; oldest first',
    tags: ['compliance'],
    permission: 'registrations:read',
    query: schema.queueQuery,
    responses: { 200: schema.queuePage },
    errors: [],
    handle: async ({ query }) => {
      const rows = await service.listRegistrations(query.status, pageRequest(query))
      const page = pageOf(rows, query.limit, ({ registration }) => registration.id)
      const data = page.data.map(({ registration, user: { name, email } }) => ({
        ...present(registration),
        name,
        email,
      }))
      return reply(200, { ...page, data })
    },
  })
}

const DECISION_ERRORS = [
  complianceErrors.registration_decided,
  complianceErrors.own_registration,
  complianceErrors.registration_not_found,
]

function approve(service: ComplianceService): Route {
  return route({
    method: 'POST',
    path: '/v1/registrations/:account_id/approve',
    id: 'approveRegistration',
    summary: 'Give a wallet its investor class; the registrar then registers it on the chain',
    tags: ['compliance'],
    permission: 'registrations:write',
    idempotent: 'optional',
    params: schema.accountParams,
    absent: complianceErrors.registration_not_found,
    body: schema.approval,
    responses: { 200: schema.registration, 202: schema.registration },
    errors: [...DECISION_ERRORS, complianceErrors.expiry_past],
    handle: async ({ params, body, principal, idempotencyKey }) => {
      const { result, replayed } = await service.approve({
        accountId: params.account_id,
        officer: principal,
        idempotencyKey,
        investorClass: body.investor_class,
        expiresAt: toExpiry(body.expires_at),
      })
      return replyOnce(202, replayed, present(result))
    },
  })
}

function refuse(service: ComplianceService): Route {
  return route({
    method: 'POST',
    path: '/v1/registrations/:account_id/refuse',
    id: 'refuseRegistration',
    summary: 'Refuse a wallet and say why; the user may link one again',
    tags: ['compliance'],
    permission: 'registrations:write',
    idempotent: 'optional',
    params: schema.accountParams,
    absent: complianceErrors.registration_not_found,
    body: schema.refusal,
    responses: { 200: schema.registration },
    errors: DECISION_ERRORS,
    handle: async ({ params, body, principal, idempotencyKey }) => {
      const { result, replayed } = await service.refuse({
        accountId: params.account_id,
        officer: principal,
        idempotencyKey,
        reason: body.reason,
      })
      return replyOnce(200, replayed, present(result))
    },
  })
}

/** The chain counts in seconds. */
function toExpiry(text: string | null | undefined): Instant | null {
  if (text === null || text === undefined) return null
  return instant(Math.floor(Date.parse(text) / 1000) * 1000)
}

function presentState({ status, investorClass, expiresAt, reason }: WalletRegistration) {
  return {
    status,
    investor_class: investorClass,
    expires_at: expiresAt === null ? null : formatInstant(expiresAt),
    reason,
  }
}

function present(registration: WalletRegistration) {
  return {
    account_id: registration.accountId,
    chain_account: registration.chainAccount,
    wallet: registration.wallet,
    ...presentState(registration),
    created_at: formatInstant(registration.createdAt),
  }
}
