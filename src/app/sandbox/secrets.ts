import { generateKeyPairSync } from 'node:crypto'
import { Wallet } from 'ethers'
import type { SandboxKeys } from './secrets-file.ts'

export function newPrivateKey(): string {
  return Wallet.createRandom().privateKey
}

/** Fresh keys of one sandbox; they are worth nothing anywhere else. */
export function newSandboxKeys(): SandboxKeys {
  const { privateKey } = generateKeyPairSync('ed25519')
  return {
    deployer: newPrivateKey(),
    settler: newPrivateKey(),
    registrar: newPrivateKey(),
    admin: newPrivateKey(),
    jwt: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}
