import { scryptSync } from 'node:crypto'
import {
  decryptKeystoreJsonSync,
  encryptKeystoreJsonSync,
  getBytes,
  hexlify,
  scryptSync as ethersScrypt,
  Wallet,
} from 'ethers'
import { chainErrors } from './errors.ts'
import { addressOf, type Address } from './hex.ts'

/** scrypt takes 128 · N · r bytes; this admits N = 2²⁰ with r = 8. */
const SCRYPT_BYTES = 1_100_000_000

// Node's own is faster by far than the one in JavaScript.
ethersScrypt.register((password, salt, N, r, p, length) => {
  const options = { N, r, p, maxmem: SCRYPT_BYTES }
  return hexlify(scryptSync(getBytes(password), getBytes(salt), length, options))
})

/** The private key in a keystore (Web3 Secret Storage v3); throws `chain.keystore_unreadable`. */
export function readKeystore(json: string, password: string): string {
  try {
    return decryptKeystoreJsonSync(json, password).privateKey
  } catch (cause) {
    throw chainErrors.keystore_unreadable('no keystore, or not its password', { cause })
  }
}

/** A new key, encrypted. */
export function makeKeystore(password: string): {
  readonly json: string
  readonly address: Address
} {
  const { address, privateKey } = Wallet.createRandom()
  const json = encryptKeystoreJsonSync({ address, privateKey }, password)
  return { json, address: addressOf(address, 'address of a key') }
}
