import { isRole, ROLES, type Role } from '#accounts/rbac.ts'
import { accountsModule } from '#accounts/module.ts'
import type { AccountsService } from '#accounts/service.ts'
import { SystemClock } from '#platform/clock.ts'
import type { Config } from '#platform/config.ts'
import { createLog } from '#platform/log.ts'
import type { Command } from './command.ts'
import { appErrors } from './errors.ts'
import { readFlags } from './flags.ts'
import { readPassword } from './password.ts'
import { withDatabase } from './production.ts'
import { newSessionKey } from './session-key.ts'

const TEXT = { type: 'string' } as const
const USAGE = {
  create: 'user create --email E [--role R] [--name N]',
  grant: 'user grant --email E --role R',
  createKey: 'api-key create --email E [--name N] [--scopes a,b]',
} as const

function requireEmail(email: string | undefined): string {
  if (email === undefined) throw appErrors.usage('--email is needed')
  return email
}

function requireRole(role: string): Role {
  if (isRole(role)) return role
  throw appErrors.usage(`--role must be one of ${ROLES.join(', ')}`)
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
  const given = readFlags(argv, { email: TEXT, role: TEXT, name: TEXT }, USAGE.create)
  const email = requireEmail(given.email)
  const { role, name = email } = given
  const roles = role === undefined ? [] : [requireRole(role)]
  const password = await readPassword()
  const user = await withAccounts(
    config,
    async (accounts) => await accounts.createUser({ email, password, name, roles }),
  )
  terminal.line(`${user.id} ${user.accountId} ${user.roles.join(',')}`)
  return 0
}

const grant: Command['run'] = async ({ config, terminal, argv }) => {
  const given = readFlags(argv, { email: TEXT, role: TEXT }, USAGE.grant)
  const email = requireEmail(given.email)
  if (given.role === undefined) throw appErrors.usage('--role is needed')
  const role = requireRole(given.role)
  const user = await withAccounts(config, async (accounts) => await accounts.grantRole(email, role))
  terminal.line(`${user.id} ${user.roles.join(',')}`)
  return 0
}

const createKey: Command['run'] = async ({ config, terminal, argv }) => {
  const given = readFlags(argv, { email: TEXT, name: TEXT, scopes: TEXT }, USAGE.createKey)
  const email = requireEmail(given.email)
  const { name = 'command line', scopes } = given
  const request = { email, name, ...(scopes !== undefined && { scopes: scopes.split(',') }) }
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
    usage: USAGE.create,
    summary: 'make a user; the password comes on standard input',
    run: createUser,
  },
  {
    name: 'user grant',
    usage: USAGE.grant,
    summary: `give a role: ${ROLES.join(', ')}`,
    run: grant,
  },
  {
    name: 'api-key create',
    usage: USAGE.createKey,
    summary: 'make a static key for a user',
    run: createKey,
  },
]
