import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'

interface Ran {
  readonly code: number | null
  readonly out: string
  readonly errors: string
}

async function run(
  argv: readonly string[],
  env: Record<string, string> = {},
  input = '',
): Promise<Ran> {
  const child = spawn(process.execPath, ['src/main.ts', ...argv], {
    env: { PATH: process.env['PATH'], NO_COLOR: '1', ...env },
  })
  let [out, errors] = ['', '']
  child.stdout.on('data', (chunk) => (out += String(chunk)))
  child.stderr.on('data', (chunk) => (errors += String(chunk)))
  child.stdin.end(input)
  const [code] = await once(child, 'close')
  return { code: typeof code === 'number' ? code : null, out, errors }
}

describe('the command line', () => {
  it('explains itself', async () => {
    const { code, out } = await run(['help'])
    expect(code).toBe(0)
    for (const command of [
      'serve',
      'sandbox',
      'migrate',
      'config',
      'user create',
      'journal verify',
    ]) {
      expect(out).toContain(command)
    }
  })

  it('answers an unknown command with one line that says what to do', async () => {
    const { code, out, errors } = await run(['sail'])
    expect([code, out]).toEqual([1, ''])
    expect(errors.trim().split('\n')).toHaveLength(1)
    expect(errors).toContain('help')
  })

  it.each([
    [['--roles', 'api,captain'], 'ROLES'],
    [['--roles', 'api'], 'INTERNAL_TOKEN'],
    [['--sails', '3'], '--roles'],
  ])(
    'takes the roles of serve from a flag, or says what is wrong with it: %o',
    async (flags, hint) => {
      const { code, errors } = await run(['serve', ...flags], { MOORING_HOME: 'none' })
      expect(code).toBe(1)
      expect(errors.trim().split('\n')).toHaveLength(1)
      expect(errors).toContain(hint)
    },
  )

  it('prints every setting and masks what is secret', async () => {
    const key = `0x${'7'.repeat(64)}`
    const { code, out } = await run(['config'], {
      SETTLER_KEY: key,
      DATABASE_URL: 'postgres://someone:hush@127.0.0.1/x',
    })
    expect(code).toBe(0)
    expect(out).toContain('SETTLEMENT_INTERVAL_MS')
    expect(out).not.toContain(key)
    expect(out).not.toContain('hush')
  })

  it('names the variable and its rule, never the value, when a setting is wrong', async () => {
    const { code, errors } = await run(['config'], { SETTLER_KEY: 'not-a-key' })
    expect(code).toBe(1)
    expect(errors.trim().split('\n')).toHaveLength(1)
    expect(errors).toContain('SETTLER_KEY')
    expect(errors).not.toContain('not-a-key')
  })

  it.each([
    [{}, 'ADDRESSES_FILE'],
    [{ ADDRESSES_FILE: 'package.json' }, 'chain_id'],
  ])('says what serve lacks: %o', async (env, hint) => {
    const { code, errors } = await run(['serve'], { MOORING_HOME: 'none', ...env })
    expect(code).toBe(1)
    expect(errors.trim().split('\n')).toHaveLength(1)
    expect(errors).toContain(hint)
  })

  it('asks for a password on standard input', async () => {
    const { code, errors } = await run([
      'user',
      'create',
      '--email',
      'a@example.com',
      '--role',
      'captain',
    ])
    expect(code).toBe(1)
    expect(errors).toContain('--role')
  })
})
