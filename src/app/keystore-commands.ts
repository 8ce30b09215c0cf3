import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { makeKeystore } from '#chain/keystore-adapter.ts'
import type { Command } from './command.ts'
import { appErrors } from './errors.ts'
import { readPassword } from './password.ts'

const OPTIONS = { out: { type: 'string' } } as const

/** A file that only its owner reads; one that exists is never overwritten. */
const create: Command['run'] = async ({ terminal, argv }) => {
  const { out } = parseArgs({ args: [...argv], options: OPTIONS }).values
  if (out === undefined) throw appErrors.usage('--out is needed: the file to write')
  const { json, address } = makeKeystore(await readPassword())
  writeFileSync(out, `${json}\n`, { mode: 0o600, flag: 'wx' })
  terminal.line(`${address} is in ${out}`)
  return 0
}

export const KEYSTORE_COMMANDS: readonly Command[] = [
  {
    name: 'keystore create',
    usage: 'keystore create --out FILE',
    summary: 'make a key, encrypted by the password on standard input',
    run: create,
  },
]
