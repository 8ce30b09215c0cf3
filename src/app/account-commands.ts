import { parseArgs } from 'node:util'
import { isRole, ROLES, type Role } from '#accounts/rbac.ts'
import { accountsModule } from '#accounts/module.ts'
import type { AccountsService } from '#accounts/service.ts'
import { SystemClock } from '#platform/clock.ts'
import type { Config } from '#platform/config.ts'
import { createLog } from '#platform/log.ts'
import type { Command } from './command.ts'
import { appErrors } from './errors.ts'
import { readPassword } from './password.ts'
import { withDatabase } from './production.ts'
import { newSessionKey } from './session-key.ts'

const OPTIONS = {
  email: { type: 'string' },
  role: { type: 'string' },
  name: { type: 'string' },
  scopes: { type: 'string' },
} as const

interface Given {
  readonly email: string
  readonly role: Role | undefined
  readonly name: string | undefined
  readonly scopes: readonly string[] | undefined
}

/** Reads the flags; throws `app.usage` with what is missing. */
function readFlags(argv: readonly string[]): Given {
  const { values } = parseArgs({ args: [...argv], options: OPTIONS })
  const { email, role, name, scopes } = values
  if (email === undefined) throw appErrors.usage('--email is needed')
  if (role !== undefined && !isRole(role)) {
    throw appErrors.usage(`--role must be one of ${ROLES.join(', ')}`)
  }
  return { email, role, name, scopes: scopes?.split(',') }
}

/** Works on the database alone: no chain, no engine. The node opens ledger accounts when it runs. */
async function withAccounts<T>(
  config: Config,
  work: (accounts: AccountsService) => Promise<T>,
): Promise<T> {
  return await withDatabase(config, async (database) => {
    const { service } = accountsModule({
      database,
      clock: new SystemClock(),
      log: createLog({ level: 'silent' }),
      jwtPrivateKey: newSessionKey(),
      site: () => ({ domain: 'localhost', uri: 'http://localhost', chainId: 0 }),
    })
    return await work(service)
  })
}

const createUser: Command['run'] = async ({ config, terminal, argv }) => {
  const { email, role, name = email } = readFlags(argv)
  const password = await readPassword()
  const roles = role === undefined ? [] : [role]
  const user = await withAccounts(
    config,
    async (accounts) => await accounts.createUser({ email, password, name, roles }),
  )
  terminal.line(`${user.id} ${user.accountId} ${user.roles.join(',')}`)
  return 0
}

const grant: Command['run'] = async ({ config, terminal, argv }) => {
  const { email, role } = readFlags(argv)
  if (role === undefined) throw appErrors.usage('--role is needed')
  const user = await withAccounts(config, async (accounts) => await accounts.grantRole(email, role))
  terminal.line(`${user.id} ${user.roles.join(',')}`)
  return 0
}

const createKey: Command['run'] = async ({ config, terminal, argv }) => {
  const { email, name = 'command line', scopes } = readFlags(argv)
  const request = { email, name, ...(scopes !== undefined && { scopes }) }
  const { id, key } = await withAccounts(
    config,
    async (accounts) => await accounts.createApiKey(request),
  )
  terminal.line(`${id} ${key}`)
  terminal.line('Keep the key: it is stored as a hash and shown only here.')
  return 0
}

export const ACCOUNT_COMMANDS: readonly Command[] = [
  {
    name: 'user create',
    usage: 'user create --email E [--role R] [--name N]',
    summary: 'make a user; the password comes on standard input',
    run: createUser,
  },
  {
    name: 'user grant',
    usage: 'user grant --email E --role R',
    summary: `give a role: ${ROLES.join(', ')}`,
    run: grant,
  },
  {
    name: 'api-key create',
    usage: 'api-key create --email E [--scopes a,b]',
    summary: 'make a static key for a user',
    run: createKey,
  },
]
