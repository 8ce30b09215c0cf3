import { Wallet } from 'ethers'
import { newSessionKey } from '../session-key.ts'
import type { SandboxKeys } from './secrets-file.ts'

export function newPrivateKey(): string {
  return Wallet.createRandom().privateKey
}

/** Fresh keys of one sandbox; they are worth nothing anywhere else. */
export function newSandboxKeys(): SandboxKeys {
  return {
    deployer: newPrivateKey(),
    settler: newPrivateKey(),
    registrar: newPrivateKey(),
    admin: newPrivateKey(),
    jwt: newSessionKey(),
  }
}
