import { spawn, spawnSync, type SpawnSyncOptions, type SpawnSyncReturns } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { canEverybodyReach } from '../support/reach.ts'

const BOOTSTRAP = fileURLToPath(new URL('../../scripts/bootstrap.mjs', import.meta.url))
const isRoot = process.getuid?.() === 0
const canBecomeOther =
  !isRoot || (canEverybodyReach(import.meta.filename) && canEverybodyReach(process.execPath))
const oldNode = findOldNode()

let root = ''
let env: NodeJS.ProcessEnv = {}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'mooring bootstrap '))
  env = { ...process.env, MOORING_CACHE: join(root, 'cache'), PATH: withThisNode() }
  delete env['MOORING_SKIP_COMPILE']
  makeProject()
})

afterEach(() => {
  rmSync(root, { recursive: true, force: true })
})

/** A project as small as can be: one package, which lies beside it, so that npm needs no network. */
function makeProject(): void {
  mkdirSync(join(root, 'scripts'))
  mkdirSync(join(root, 'greeter'))
  cpSync(BOOTSTRAP, join(root, 'scripts', 'bootstrap.mjs'))
  const manifest = {
    name: 'project',
    version: '1.0.0',
    type: 'module',
    dependencies: { greeter: 'file:./greeter' },
  }
  writeFileSync(join(root, 'package.json'), JSON.stringify(manifest))
  writeFileSync(join(root, 'greeter', 'greet.js'), 'console.log("hello", process.argv[2])\n')
  writeFileSync(join(root, 'say.js'), 'console.log(process.version, ...process.argv.slice(2))\n')
  lock('1.0.0')
}

function lock(version: string): void {
  const bin = { greet: 'greet.js' }
  writeFileSync(
    join(root, 'greeter', 'package.json'),
    JSON.stringify({ name: 'greeter', version, bin }),
  )
  const packages = {
    '': { name: 'project', version: '1.0.0', dependencies: { greeter: 'file:./greeter' } },
    greeter: { version, bin },
    'node_modules/greeter': { resolved: 'greeter', link: true },
  }
  const content = {
    name: 'project',
    version: '1.0.0',
    lockfileVersion: 3,
    requires: true,
    packages,
  }
  writeFileSync(join(root, 'package-lock.json'), JSON.stringify(content))
}

function bootstrap(
  args: readonly string[],
  node = process.execPath,
  options: SpawnSyncOptions = {},
): SpawnSyncReturns<string> {
  const words = [join(root, 'scripts', 'bootstrap.mjs'), ...args]
  return spawnSync(node, words, { cwd: tmpdir(), env, ...options, encoding: 'utf8' })
}

function withThisNode(): string {
  return `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`
}

function findOldNode(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const candidates = [
    process.env['npm_node_execpath'] ?? '',
    ...folders.map((folder) => join(folder, 'node')),
  ]
  return candidates.filter(existsSync).find((node) => {
    const { stdout } = spawnSync(node, ['--version'], { encoding: 'utf8' })
    const major = Number(/^v(\d+)/.exec(stdout)?.[1])
    return major >= 20 && major < 24
  })
}

describe('bootstrap', () => {
  it('installs once, says so, and is quiet afterwards', () => {
    const first = bootstrap(['say.js', 'a', 'b c'])
    expect(first).toMatchObject({ status: 0, stdout: `${process.version} a b c\n` })
    expect(first.stderr).toBe('mooring: installing packages\n')
    expect(bootstrap(['say.js'])).toMatchObject({
      status: 0,
      stdout: `${process.version}\n`,
      stderr: '',
    })
  })

  it('installs again when the lock file changed', () => {
    bootstrap(['say.js'])
    lock('1.0.1')
    expect(bootstrap(['say.js']).stderr).toBe('mooring: installing packages\n')
    const record = readFileSync(join(root, 'node_modules', '.package-lock.json'), 'utf8')
    expect(JSON.parse(record).packages.greeter.version).toBe('1.0.1')
  })

  it('leaves packages alone that somebody installed by hand', () => {
    const installed = spawnSync('npm', ['ci', '--ignore-scripts'], {
      cwd: root,
      env,
      encoding: 'utf8',
    })
    expect(installed.status).toBe(0)
    expect(bootstrap(['say.js'])).toMatchObject({ status: 0, stderr: '' })
  })

  it('runs the program of a package', () => {
    expect(bootstrap(['--bin', 'greet', 'you'])).toMatchObject({ status: 0, stdout: 'hello you\n' })
    const missing = bootstrap(['--bin', 'nothing'])
    expect(missing).toMatchObject({
      status: 1,
      stderr: 'mooring: no package has a program called nothing\n',
    })
  })

  it('passes on the exit code', () => {
    writeFileSync(join(root, 'end.js'), 'process.exitCode = 42\n')
    expect(bootstrap(['end.js']).status).toBe(42)
  })

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'hands %s on and ends as the program ends',
    async (signal) => {
      bootstrap(['say.js'])
      const wait =
        'process.once(process.argv[2], () => process.exit(9)); console.log("up"); setInterval(() => 0, 1000)\n'
      writeFileSync(join(root, 'wait.js'), wait)
      const child = spawn(
        process.execPath,
        [join(root, 'scripts', 'bootstrap.mjs'), 'wait.js', signal],
        {
          env,
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      )
      const code = new Promise<number | null>((resolve) => child.once('exit', resolve))
      await new Promise((resolve) => child.stdout.once('data', resolve))
      child.kill(signal)
      expect(await code).toBe(9)
    },
  )

  it('dies of the signal that its program died of', async () => {
    bootstrap(['say.js'])
    writeFileSync(join(root, 'die.js'), 'process.kill(process.pid, "SIGKILL")\n')
    expect(bootstrap(['die.js'])).toMatchObject({ status: null, signal: 'SIGKILL' })
  })

  it('installs once when two programs start together', async () => {
    const start = () =>
      new Promise<{ code: number | null; said: string }>((resolve) => {
        const child = spawn(process.execPath, [join(root, 'scripts', 'bootstrap.mjs'), 'say.js'], {
          env,
        })
        let said = ''
        child.stderr.on('data', (part: Buffer) => (said += part.toString()))
        child.once('close', (code) => resolve({ code, said }))
      })
    const both = await Promise.all([start(), start()])
    expect(both.map(({ code }) => code)).toEqual([0, 0])
    const installs = both.filter(({ said }) => said.includes('installing packages'))
    expect(installs).toHaveLength(1)
  })

  it('says in one line that npm is missing', () => {
    env['PATH'] = join(root, 'nowhere')
    delete env['npm_execpath']
    const { status, stderr } = bootstrap(['say.js'])
    expect(status).toBe(1)
    expect(stderr.split('\n').filter((line) => line.includes('npm is not on PATH'))).toHaveLength(1)
  })

  it.skipIf(!canBecomeOther)('says in one line that the folder cannot be written to', () => {
    chmodSync(root, 0o555)
    // Root can write anywhere, so it becomes somebody else.
    const user = isRoot ? { uid: 1, gid: 1 } : {}
    const home = mkdtempSync(join(tmpdir(), 'mooring home '))
    if (isRoot) chownSync(home, 1, 1)
    const { status, stderr } = bootstrap(['say.js'], process.execPath, {
      ...user,
      env: { ...env, HOME: home, npm_config_cache: home },
    })
    chmodSync(root, 0o755)
    rmSync(home, { recursive: true })
    expect(status).toBe(1)
    expect(stderr).toBe(
      `mooring: installing packages\nmooring: npm cannot write to ${root}; make it writable and try again\n`,
    )
  })

  it.skipIf(oldNode === undefined)(
    'changes to the Node of the cache when it is too old itself (needs an older Node on PATH)',
    () => {
      const name = { linux: `node-linux-${process.arch}`, darwin: '' }[
        process.platform === 'linux' ? 'linux' : 'darwin'
      ]
      const bin = join(root, 'cache', `${name}-24.21.0`, 'node_modules', name, 'bin')
      mkdirSync(bin, { recursive: true })
      symlinkSync(process.execPath, join(bin, 'node'))
      writeFileSync(
        join(root, 'path.js'),
        'import { execFileSync } from "node:child_process"\nconsole.log(String(execFileSync("node", ["--version"])).trim())\n',
      )
      const { status, stdout } = bootstrap(['path.js'], oldNode)
      expect({ status, stdout }).toEqual({ status: 0, stdout: `${process.version}\n` })
    },
  )
})
