import { randomUUID } from 'node:crypto'
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { NODE_ROLES } from '#platform/config.ts'
import { ApiContract } from './api-contract.ts'
import { at, isBody, rows, text, type Body } from '../../scripts/body.ts'
import { Client, until } from './client.ts'
import { freePort } from '../../scripts/free-port.ts'
import { NodeOutput } from './node-output.ts'

export interface SandboxUser {
  readonly role: string
  readonly email: string
  readonly password: string
  readonly apiKey: string
  readonly accountId: string
  readonly chainAccount: number
  readonly wallet: { readonly address: string; readonly privateKey: string } | undefined
}

interface SandboxOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Environments of further processes, when `env` leaves roles out. */
  readonly peers?: readonly Readonly<Record<string, string>>[]
  readonly startTimeoutMs?: number
}

export interface ServiceHealth {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
}

/** The node did not do what its launcher asked of it. */
export class SandboxFailure extends Error {
  override readonly name = 'SandboxFailure'
}

const TOLD_LINES = 25
const LOGGED_LINES = 40
/** More than a node takes that gives its services all the time they may have. */
const STOP_PATIENCE_MS = 120_000
const LINE_LENGTH = 400
const PEERS_FILE = 'peers.json'

/** How the node is cut into processes; the first one of each also keeps the ground. */
type Topology = 'one' | 'two' | 'roles'
const FIRST: Readonly<Record<Topology, string | undefined>> = {
  one: undefined,
  two: 'api,engine',
  roles: 'api',
}
const PEERS: Readonly<Record<Topology, readonly string[]>> = {
  one: [],
  two: [NODE_ROLES.filter((role) => role !== 'api' && role !== 'engine').join(',')],
  roles: NODE_ROLES.filter((role) => role !== 'api'),
}

/** `MOORING_TOPOLOGY`, unless a test splits the node itself. */
function topology(env: Readonly<Record<string, string>>): Topology {
  if (env['ROLES'] !== undefined && env['MOORING_TOPOLOGY'] === undefined) return 'one'
  const wanted = env['MOORING_TOPOLOGY'] ?? process.env['MOORING_TOPOLOGY']
  return wanted === 'two' || wanted === 'roles' ? wanted : 'one'
}

function splitOf(env: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const first = FIRST[topology(env)]
  if (first === undefined) return {}
  return { MOORING_TOPOLOGY: topology(env), ROLES: first, INTERNAL_TOKEN: randomUUID() }
}

/**
 * The real node of `npm start` as a child process in a fresh folder, on free ports, with settlements
 * on demand only. `dispose` leaves nothing behind.
 */
export class Sandbox {
  static readonly #live = new Set<Sandbox>()
  readonly home: string
  readonly #env: Readonly<Record<string, string>>
  readonly #own: readonly Readonly<Record<string, string>>[]
  readonly #startTimeoutMs: number
  readonly #peers: ChildProcess[] = []
  /** What the node printed, all its processes together. */
  readonly output = new NodeOutput()
  /** Where each further process answers, as it said itself. */
  readonly #urls = new Map<ChildProcess, string>()
  #child: ChildProcess | undefined
  #facts: Body = {}
  #contract: ApiContract | undefined

  private constructor(
    home: string,
    env: Readonly<Record<string, string>>,
    { startTimeoutMs = 240_000, peers = [] }: SandboxOptions,
  ) {
    this.home = home
    this.#env = env
    this.#own = peers
    this.#startTimeoutMs = startTimeoutMs
  }

  static async start(options: SandboxOptions = {}): Promise<Sandbox> {
    const home = mkdtempSync(join(tmpdir(), 'mooring-'))
    const env = {
      MOORING_HOME: home,
      HTTP_PORT: String(await freePort()),
      CHAIN_RPC_PORT: String(await freePort()),
      SETTLEMENT_INTERVAL_MS: '0',
      LOG_LEVEL: 'info',
      ...splitOf(options.env ?? {}),
      ...options.env,
    }
    const sandbox = new Sandbox(home, env, options)
    Sandbox.#live.add(sandbox)
    try {
      await sandbox.restart()
    } catch (error) {
      await sandbox.dispose()
      throw error
    }
    return sandbox
  }

  /** Those that were started and not disposed of. */
  static get live(): readonly Sandbox[] {
    return [...Sandbox.#live]
  }

  get api(): string {
    return text(this.#facts, 'api')
  }

  get rpc(): string {
    return text(this.#facts, 'rpc')
  }

  get database(): string {
    return text(this.#facts, 'database')
  }

  get market(): string {
    return text(this.#facts, 'market')
  }

  get users(): readonly SandboxUser[] {
    return rows(this.#facts, 'users').map((user) => ({
      role: text(user, 'role'),
      email: text(user, 'email'),
      password: text(user, 'password'),
      apiKey: text(user, 'api_key'),
      accountId: text(user, 'account_id'),
      chainAccount: Number(at(user, 'chain_account')),
      wallet: isBody(user['wallet'])
        ? {
            address: text(user, 'wallet', 'address'),
            privateKey: text(user, 'wallet', 'private_key'),
          }
        : undefined,
    }))
  }

  get isRunning(): boolean {
    return this.#child !== undefined
  }

  contractAddress(name: string): string {
    return text(this.#facts, 'contracts', name)
  }

  /** The key that may pause and unpause the clearing house of this sandbox. */
  adminKey(): string {
    const secrets: unknown = JSON.parse(readFileSync(join(this.home, 'secrets.json'), 'utf8'))
    return text(secrets, 'keys', 'admin')
  }

  user(role: string, place = 0): SandboxUser {
    const found = this.users.filter((user) => user.role === role)[place]
    if (found === undefined) throw new SandboxFailure(`no user ${place} of role ${role}`)
    return found
  }

  /** A client of the API for a demo user; without a role, one without credentials. */
  client(role?: string, place = 0): Client {
    if (this.#contract === undefined) throw new SandboxFailure('the node was never ready')
    const bearer = role === undefined ? undefined : this.user(role, place).apiKey
    return new Client(this.api, this.#contract, bearer)
  }

  /** Starts the node (again) and resolves when it is ready. */
  async restart(): Promise<void> {
    rmSync(join(this.home, 'sandbox.json'), { force: true })
    rmSync(join(this.home, PEERS_FILE), { force: true })
    const child = this.#spawn(['sandbox'])
    this.#child = child
    await this.#startPeers(child)
    child.once('exit', () => {
      if (this.#child === child) this.#child = undefined
    })
    await this.#whenReady(child)
    const document: unknown = await (await fetch(`${this.api}/v1/openapi.json`)).json()
    if (!isBody(document)) throw new SandboxFailure('no OpenAPI document')
    this.#contract ??= new ApiContract(document)
  }

  /** Ends the node as Ctrl-C does; returns its exit code. */
  async stop(): Promise<number | null> {
    await this.#endPeers('SIGTERM')
    return this.#end('SIGTERM')
  }

  /** Ends the node as a power cut does, at once; what it had started lives on. */
  async kill9(): Promise<void> {
    await Promise.all([this.#endPeers('SIGKILL'), this.#end('SIGKILL')])
  }

  /** What a further process of this node needs in its environment. */
  peerEnvironment(): Readonly<Record<string, string>> {
    const facts: unknown = JSON.parse(readFileSync(join(this.home, PEERS_FILE), 'utf8'))
    return Object.fromEntries(
      Object.entries(isBody(facts) ? facts : {}).map(([name, value]) => [name, String(value)]),
    )
  }

  /** The further processes of this node, in the order of their start. */
  get peers(): readonly ChildProcess[] {
    return this.#peers
  }

  /** Where a further process answers; undefined until it has said so. */
  urlOf(peer: ChildProcess): string | undefined {
    return this.#urls.get(peer)
  }

  /** What every process of this node says of its services, and those that are silent. */
  async health(): Promise<readonly ServiceHealth[]> {
    const urls = [this.api, ...this.#peers.map((peer) => this.#urls.get(peer))]
    const answers = await Promise.all(urls.map(async (url) => servicesOf(url)))
    return answers.flat()
  }

  /** Starts one more process of this node, which plays these roles. */
  startPeer(roles: string, env: Readonly<Record<string, string>> = {}): ChildProcess {
    const peer = this.#spawn(['serve'], {
      ...this.peerEnvironment(),
      DATABASE_POOL_SIZE: '8',
      ROLES: roles,
      ...env,
    })
    this.#peers.push(peer)
    return peer
  }

  /** Ends the node and removes all that it kept. */
  async dispose(): Promise<void> {
    if (this.#child !== undefined || this.#peers.length > 0) await this.stop()
    const reset = this.#spawn(['reset'])
    await ended(reset, STOP_PATIENCE_MS)
    rmSync(this.home, { recursive: true, force: true })
    Sandbox.#live.delete(this)
  }

  /** The processes that play what the sandbox leaves out, as soon as they can start. */
  async #startPeers(child: ChildProcess): Promise<void> {
    const peers = this.#own.length > 0 ? [] : PEERS[topology(this.#env)]
    if (peers.length + this.#own.length === 0) return
    const deadline = performance.now() + this.#startTimeoutMs
    while (!existsSync(join(this.home, PEERS_FILE))) {
      const isOver = child.exitCode !== null || performance.now() > deadline
      if (isOver) throw new SandboxFailure(`the node has no ground: ${await this.troubles()}`)
      await sleep(25)
    }
    for (const { ROLES = '', ...env } of this.#own) this.startPeer(ROLES, env)
    for (const roles of peers) this.startPeer(roles)
  }

  async #endPeers(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const peers = this.#peers.splice(0)
    for (const peer of peers) peer.kill(signal)
    await Promise.all(peers.map(async (peer) => ended(peer, STOP_PATIENCE_MS)))
  }

  #spawn(argv: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
    const child = spawn(process.execPath, ['src/main.ts', ...argv], {
      env: { ...process.env, NO_COLOR: '1', ...this.#env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const kill = (): void => void child.kill('SIGKILL')
    process.once('exit', kill)
    child.once('exit', () => process.off('exit', kill))
    const heard = (line: string): void => {
      const url = /Mooring serves (\S+) as/.exec(line)?.[1]
      if (url !== undefined) this.#urls.set(child, url)
    }
    for (const stream of [child.stdout, child.stderr]) this.output.follow(stream, heard)
    return child
  }

  async #whenReady(child: ChildProcess): Promise<void> {
    const deadline = performance.now() + this.#startTimeoutMs
    while (performance.now() < deadline) {
      if (child.exitCode !== null || child.signalCode !== null) {
        // What it said last may still be in the pipe.
        await sleep(200)
        throw new SandboxFailure(`the node ended: ${await this.troubles()}`)
      }
      if ((await this.#isReady()) && (await this.health()).every(({ ok }) => ok)) return
      await sleep(25)
    }
    throw new SandboxFailure(`the node was not ready in time: ${await this.troubles()}`)
  }

  async #isReady(): Promise<boolean> {
    const path = join(this.home, 'sandbox.json')
    if (!existsSync(path)) return false
    const facts: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (!isBody(facts)) return false
    this.#facts = facts
    try {
      return (await fetch(`${this.api}/readyz`)).ok
    } catch {
      return false
    }
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    const child = this.#child
    if (child === undefined) return null
    child.kill(signal)
    await ended(child, STOP_PATIENCE_MS)
    this.#child = undefined
    return child.exitCode
  }

  /** Why a node does not get there: what is not well, what it printed and what it logged last. */
  async troubles(): Promise<string> {
    const health = this.#facts['api'] === undefined ? [] : await this.health()
    const sick = health.filter(({ ok }) => !ok).map(({ name, detail }) => `${name}: ${detail}`)
    const file = join(this.home, 'node.log')
    const log = existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : []
    // Whoever was refused meanwhile says nothing of the cause.
    const logged = log.filter((line) => !line.includes('"http.unavailable"')).slice(-LOGGED_LINES)
    return [...sick, ...this.output.newest(TOLD_LINES), ...logged]
      .map((line) => line.slice(0, LINE_LENGTH))
      .join('\n')
  }
}

async function servicesOf(url: string | undefined): Promise<readonly ServiceHealth[]> {
  const silent = { name: url ?? 'a process that starts', ok: false, detail: 'no answer' }
  if (url === undefined) return [silent]
  try {
    const body: unknown = await (await fetch(`${url}/readyz`)).json()
    const services = at(body, 'services')
    return Object.entries(isBody(services) ? services : {}).map(([name, health]) => {
      const detail = at(health, 'detail')
      return {
        name,
        ok: at(health, 'ok') === true,
        detail: typeof detail === 'string' ? detail : '',
      }
    })
  } catch {
    return [silent]
  }
}

/** Waits for the end of a process; kills it when that takes too long. */
async function ended(child: ChildProcess, patienceMs: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs)
  await new Promise<void>((resolve) => child.once('exit', () => resolve()))
  clearTimeout(timer)
}

/** Settles what is unsettled and waits until everything is final; returns the last settlement. */
export async function settleAll(sandbox: Sandbox): Promise<Body> {
  const operator = sandbox.client('operator')
  return until('a final settlement', async () => {
    const { status, body } = await operator.call('POST', '/v1/settlements', { body: {} })
    const [latest] = rows(await operator.get('/v1/settlements?limit=1'), 'data')
    const isIdle = status === 409 && body['code'] === 'settlement.nothing_to_settle'
    if (status >= 400 && body['code'] === 'settlement.halted') throw new SandboxFailure('halted')
    return isIdle && latest?.['status'] === 'final' ? latest : undefined
  })
}
