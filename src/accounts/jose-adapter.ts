import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { SignJWT, errors, jwtVerify, type JWTPayload } from 'jose'
import type { Clock } from '#kernel/time.ts'
import { platformErrors } from '#platform/errors.ts'
import { isRole } from './rbac.ts'
import type { User } from './user.ts'

/** What a session token says of its user. */
export type SessionClaims = Pick<User, 'id' | 'accountId' | 'chainAccount' | 'roles'>

export const SESSION_SECONDS = 600
const ISSUER = 'mooring'
const ALGORITHM = 'EdDSA'

/** Session tokens: JWTs signed with Ed25519. */
export class SessionTokens {
  readonly #privateKey: KeyObject
  readonly #publicKey: KeyObject
  readonly #clock: Clock

  /** `privateKeyPem`: an Ed25519 key as PKCS8. */
  constructor(options: { privateKeyPem: string; clock: Clock }) {
    this.#privateKey = createPrivateKey(options.privateKeyPem)
    this.#publicKey = createPublicKey(this.#privateKey)
    this.#clock = options.clock
  }

  async sign(user: SessionClaims): Promise<string> {
    const nowSeconds = Math.floor(this.#clock.now() / 1000)
    return new SignJWT({ acc: user.accountId, chain: user.chainAccount, roles: user.roles })
      .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT' })
      .setIssuer(ISSUER)
      .setSubject(user.id)
      .setIssuedAt(nowSeconds)
      .setExpirationTime(nowSeconds + SESSION_SECONDS)
      .sign(this.#privateKey)
  }

  /** Throws `platform.unauthenticated` or `platform.token_expired`. */
  async verify(token: string): Promise<SessionClaims & { readonly expiresAtMs: number }> {
    try {
      const { payload } = await jwtVerify(token, this.#publicKey, {
        issuer: ISSUER,
        algorithms: [ALGORITHM],
        currentDate: new Date(this.#clock.now()),
        requiredClaims: ['sub', 'exp'],
      })
      return readClaims(payload)
    } catch (cause) {
      if (cause instanceof errors.JWTExpired) throw platformErrors.token_expired()
      throw platformErrors.unauthenticated('the token is not valid', { cause })
    }
  }
}

function readClaims(payload: JWTPayload): SessionClaims & { readonly expiresAtMs: number } {
  const { sub, exp, acc, chain, roles } = payload
  if (
    sub === undefined ||
    exp === undefined ||
    typeof acc !== 'string' ||
    typeof chain !== 'number' ||
    !Array.isArray(roles)
  ) {
    throw platformErrors.unauthenticated('the token lacks a claim')
  }
  const known = roles.filter((role) => typeof role === 'string').filter(isRole)
  return { id: sub, accountId: acc, chainAccount: chain, roles: known, expiresAtMs: exp * 1000 }
}
