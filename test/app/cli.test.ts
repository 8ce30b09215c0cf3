import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readKeystore } from '#chain/keystore-adapter.ts'

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

  it.concurrent.each([
    ['user create --email a@example.com --scopes read', '--scopes'],
    ['user create --email --role admin', '--email'],
    ['user grant --email a@example.com', '--role'],
    ['user grant --email a@example.com --role admin --name A', '--name'],
    ['api-key create --email a@example.com --role admin', '--role'],
    ['keystore create --out none --sails 3', '--sails'],
    ['migrate --sails 3', '--sails'],
    ['journal verify twice', 'twice'],
    ['reset --sails', '--sails'],
  ])('refuses a flag that a command has not, or lacks, in one line: %s', async (line, hint) => {
    const { code, out, errors } = await run(line.split(' '), { MOORING_HOME: 'none' })
    expect([code, out]).toEqual([1, ''])
    expect(errors.trim().split('\n')).toHaveLength(1)
    expect(errors).toContain(hint)
    expect(errors).not.toContain('Error')
  })

  it('asks for a password on standard input, and not for a short one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mooring-keystore-'))
    const file = join(folder, 'key.json')
    try {
      for (const password of ['', 'elevenchars\n']) {
        const { code, errors } = await run(['keystore', 'create', '--out', file], {}, password)
        expect([code, errors.trim().split('\n').length]).toEqual([1, 1])
        expect(errors).toContain('password')
        expect(existsSync(file)).toBe(false)
      }
      const { code, out } = await run(['keystore', 'create', '--out', file], {}, 'twelve chars\n')
      expect([code, out]).toEqual([0, expect.stringContaining(file)])
      const made = readKeystore(await readFile(file, 'utf8'), 'twelve chars')
      expect(made).toMatch(/^0x[0-9a-f]{64}$/)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it.each(['config', 'help'])('ends quietly when nobody reads on: %s', async (command) => {
    const child = spawn(process.execPath, ['src/main.ts', command], {
      env: { PATH: process.env['PATH'], NO_COLOR: '1' },
    })
    child.stdout.destroy()
    let errors = ''
    child.stderr.on('data', (chunk) => (errors += String(chunk)))
    const [code]: unknown[] = await once(child, 'close')
    expect([code, errors]).toEqual([0, ''])
  })
})
