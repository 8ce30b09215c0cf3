import { getAddress, verifyMessage } from 'ethers'

/** The checksummed address (EIP-55), or undefined when a given checksum is wrong. */
export function toChecksumAddress(address: string): string | undefined {
  try {
    return getAddress(address)
  } catch {
    return undefined
  }
}

/** Whether the holder of `address` signed this text (EIP-191). */
export function isSignedBy(address: string, message: string, signature: string): boolean {
  try {
    return verifyMessage(message, signature) === getAddress(address)
  } catch {
    return false
  }
}
