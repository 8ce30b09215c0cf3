import { AbiCoder, getAddress, keccak256, toUtf8Bytes } from 'ethers'
import { encodeHeader, HEADER_TYPE, type BatchHeader, type Hex } from './batch.ts'

const TYPE_HASH = keccakOf(toUtf8Bytes(HEADER_TYPE))

/** Keccak-256, lower-case hex. */
export function keccakOf(bytes: Uint8Array | Hex): Hex {
  return `0x${keccak256(bytes).slice(2).toLowerCase()}`
}

/** An address with the checksum of EIP-55. */
export function checksumOf(address: string): string {
  return getAddress(address)
}

/** The head after a batch: the EIP-712 `hashStruct` of its header. */
export function headOf(header: BatchHeader): Hex {
  return keccakOf(encodeHeader(TYPE_HASH, header))
}

/** The head before the first batch; binds chain and vault. */
export function genesisHead(chainId: number, vault: string): Hex {
  const encoded = AbiCoder.defaultAbiCoder().encode(
    ['string', 'uint256', 'address'],
    ['mooring.head.v1', chainId, vault],
  )
  return `0x${keccak256(encoded).slice(2).toLowerCase()}`
}
