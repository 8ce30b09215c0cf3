import { Wallet } from 'ethers'
import { expect, it } from 'vitest'
import { instant } from '#kernel/time.ts'
import { buildSiweMessage } from '#accounts/siwe.ts'
import { isSignedBy, toChecksumAddress } from '#accounts/siwe-adapter.ts'

const wallet = Wallet.createRandom()
const message = buildSiweMessage(
  { domain: 'node.example', uri: 'https://node.example', chainId: 1 },
  {
    address: wallet.address,
    accountId: 'acc_1',
    nonce: '0123456789abcdef',
    issuedAt: instant(0),
    expiresAt: instant(600_000),
  },
)

it('builds the text of ERC-4361 line by line', () => {
  expect(message.split('\n')).toEqual([
    'node.example wants you to sign in with your Ethereum account:',
    wallet.address,
    '',
    'Link this wallet to account acc_1. This costs nothing.',
    '',
    'URI: https://node.example',
    'Version: 1',
    'Chain ID: 1',
    'Nonce: 0123456789abcdef',
    'Issued At: 1970-01-01T00:00:00.000Z',
    'Expiration Time: 1970-01-01T00:10:00.000Z',
  ])
})

it('tells the signer of the exact text from every other', async () => {
  const signature = await wallet.signMessage(message)
  expect(isSignedBy(wallet.address, message, signature)).toBe(true)
  expect(isSignedBy(wallet.address.toLowerCase(), message, signature)).toBe(true)
  expect(isSignedBy(wallet.address, `${message} `, signature)).toBe(false)
  expect(isSignedBy(Wallet.createRandom().address, message, signature)).toBe(false)
  expect(isSignedBy(wallet.address, message, `0x${'00'.repeat(65)}`)).toBe(false)
})

it('puts the checksum on an address and refuses a wrong one', () => {
  const checked = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed'
  expect(toChecksumAddress(checked.toLowerCase())).toBe(checked)
  expect(toChecksumAddress(checked)).toBe(checked)
  expect(toChecksumAddress(checked.replace('aA', 'AA'))).toBeUndefined()
})
