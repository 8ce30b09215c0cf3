import { writeFileSync } from 'node:fs'
import { PASSWORD_LENGTH } from '#accounts/user.ts'
import { makeKeystore } from '#chain/keystore-adapter.ts'
import type { Command } from './command.ts'
import { appErrors } from './errors.ts'
import { readFlags } from './flags.ts'
import { readPassword } from './password.ts'

const USAGE = 'keystore create --out FILE'

/** A file that only its owner reads; one that exists is never overwritten. */
const create: Command['run'] = async ({ terminal, argv }) => {
  const { out } = readFlags(argv, { out: { type: 'string' } }, USAGE)
  if (out === undefined) throw appErrors.usage('--out is needed: the file to write')
  const { json, address } = makeKeystore(await readLongPassword())
  writeFileSync(out, `${json}\n`, { mode: 0o600, flag: 'wx' })
  terminal.line(`${address} is in ${out}`)
  return 0
}

/** Whoever gets hold of the file may try passwords for as long as they like. */
async function readLongPassword(): Promise<string> {
  const password = await readPassword()
  if (Array.from(password).length >= PASSWORD_LENGTH.least) return password
  throw appErrors.usage(`the password must have at least ${PASSWORD_LENGTH.least} characters`)
}

export const KEYSTORE_COMMANDS: readonly Command[] = [
  {
    name: 'keystore create',
    usage: USAGE,
    summary: `make a key, encrypted by the password on standard input (${PASSWORD_LENGTH.least} characters or more)`,
    run: create,
  },
]
