import { generateKeyPairSync } from 'node:crypto'

/** A fresh Ed25519 key for session tokens, as PKCS8 PEM. */
export function newSessionKey(): string {
  const { privateKey } = generateKeyPairSync('ed25519')
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}
