import {
  argon2,
  createHash,
  randomBytes,
  randomUUIDv7,
  timingSafeEqual,
  type Argon2Parameters,
} from 'node:crypto'
import { promisify } from 'node:util'
import { idFromUuid, type IdNoun } from '#kernel/id.ts'

const deriveKey = promisify(argon2)

/** OWASP's minimum for Argon2id: 19 MiB, two passes, one lane. */
const PASSWORD_COST = { parallelism: 1, memory: 19_456, passes: 2, tagLength: 32 } as const
const PASSWORD_FORM = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([\w+/]+)\$([\w+/]+)$/

/** A new prefixed id, sortable by time. */
export function newId(noun: IdNoun): string {
  return idFromUuid(noun, newUuid())
}

/** A new bare UUIDv7. */
export function newUuid(): string {
  return randomUUIDv7()
}

/** SHA-256 of the parts one after another; text counts as UTF-8. */
export function sha256(...parts: readonly (string | Uint8Array)[]): Buffer {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** Compares secrets without telling by its duration where they differ. */
export function constantTimeEqual(a: string | Uint8Array, b: string | Uint8Array): boolean {
  return timingSafeEqual(sha256(a), sha256(b))
}

/** `bytes` random bytes in base64url. */
export function randomToken(bytes: number): string {
  return randomBytes(bytes).toString('base64url')
}

const base64 = (bytes: Buffer): string => bytes.toString('base64').replaceAll('=', '')

/** Argon2id in PHC string format, computed off the event loop. */
export async function hashPassword(password: string): Promise<string> {
  const nonce = randomBytes(16)
  const key = await deriveKey('argon2id', { message: password, nonce, ...PASSWORD_COST })
  const { memory, passes, parallelism } = PASSWORD_COST
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${base64(nonce)}$${base64(key)}`
}

/** Whether `password` has this PHC string; false, too, for text that is none. */
export async function verifyPassword(password: string, phc: string): Promise<boolean> {
  const [, memory, passes, parallelism, nonce, key] = PASSWORD_FORM.exec(phc) ?? []
  if (nonce === undefined || key === undefined) return false
  const expected = Buffer.from(key, 'base64')
  const parameters: Argon2Parameters = {
    message: password,
    nonce: Buffer.from(nonce, 'base64'),
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    tagLength: expected.length,
  }
  return timingSafeEqual(await deriveKey('argon2id', parameters), expected)
}
