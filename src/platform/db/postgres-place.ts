import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
} from 'node:fs'
import { join } from 'node:path'
import { writeDurably } from '../durable-file.ts'
import { embeddedErrors } from './embedded-errors.ts'
import { requireOwnFolder } from './postgres-binaries.ts'

/** The uid and gid that Postgres runs as; it refuses root. */
export interface ServerUser {
  readonly uid: number
  readonly gid: number
}

interface Cluster {
  /** Ties the data to their home: data of a home that was deleted and made again are stale. */
  readonly id: string
  readonly password: string
}

/** Conventional ids of the user that owns nothing. */
const NOBODY: ServerUser = { uid: 65_534, gid: 65_534 }

/**
 * Where the parts of one sandbox database lie. The socket is always in a short folder, because its
 * path holds 107 bytes. The data are in the home, unless root starts the node: then they are beside
 * the socket, since the server's own uid cannot enter a private home.
 */
export class PostgresPlace {
  readonly folder: string
  readonly data: string
  readonly log: string
  readonly claim: string
  readonly socketFolder: string
  readonly runAs: ServerUser | undefined
  readonly #clusterFile: string

  constructor(home: string, base: string, runAs: ServerUser = NOBODY) {
    const uid = process.getuid?.() ?? 0
    this.folder = join(realHome(home), 'postgres')
    const name = createHash('sha256').update(`${this.folder}\0${uid}`).digest('hex').slice(0, 16)
    this.runAs = uid === 0 ? runAs : undefined
    this.socketFolder = join(base, `mooring-${name}`)
    this.data = join(this.runAs === undefined ? this.folder : this.socketFolder, 'data')
    this.log = join(this.folder, 'postgres.log')
    this.claim = join(this.folder, 'claim.json')
    this.#clusterFile = join(this.folder, 'cluster.json')
  }

  get #owner(): number {
    return this.runAs?.uid ?? process.getuid?.() ?? 0
  }

  /** Makes the home's part, before the claim is taken. */
  prepareHome(): void {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 })
  }

  /** Makes the short folder; with the claim held. */
  prepareSocketFolder(): void {
    requireOwnFolder(this.socketFolder, this.#owner)
    mkdirSync(this.socketFolder, { recursive: true, mode: 0o700 })
    chmodSync(this.socketFolder, 0o700)
    this.giveToServer(this.socketFolder)
  }

  /** Hands a file or folder to the server's user; error `failed` where root cannot do that. */
  giveToServer(path: string): void {
    if (this.runAs === undefined) return
    try {
      chownSync(path, this.runAs.uid, this.runAs.gid)
    } catch (cause) {
      const advice = `root cannot give ${path} to uid ${this.runAs.uid} here; run as an ordinary user, or set DATABASE_URL`
      throw embeddedErrors.failed(advice, { cause })
    }
  }

  /** The cluster that this home knows; one is made up when the home is new. */
  cluster(): Cluster {
    if (existsSync(this.#clusterFile)) return readCluster(this.#clusterFile)
    if (this.runAs === undefined && existsSync(this.data))
      throw embeddedErrors.damaged(`${this.#clusterFile} is gone; \`npm run reset\` starts afresh`)
    const cluster = {
      id: randomBytes(12).toString('hex'),
      password: randomBytes(18).toString('hex'),
    }
    writeDurably(this.#clusterFile, JSON.stringify(cluster))
    return cluster
  }

  /** Whether data are there that belong to this cluster. */
  holds(cluster: Cluster): boolean {
    const file = join(this.data, 'mooring-cluster')
    return existsSync(file) && readFileSync(file, 'utf8') === cluster.id
  }

  /** Connection string for a database of the cluster, for `pg`, Knex and libpq alike. */
  url(cluster: Cluster, database: string): string {
    const host = encodeURIComponent(this.socketFolder)
    return `postgresql://mooring:${cluster.password}@localhost/${database}?host=${host}`
  }

  removeData(): void {
    rmSync(this.data, { recursive: true, force: true })
  }

  removeAll(): void {
    for (const folder of [this.socketFolder, this.folder])
      rmSync(folder, { recursive: true, force: true })
  }
}

/** One home has one name, whichever symlinks lead to it; so it has to exist. */
function realHome(home: string): string {
  mkdirSync(home, { recursive: true, mode: 0o700 })
  return realpathSync(home)
}

function readCluster(file: string): Cluster {
  const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
  if (typeof value === 'object' && value !== null && 'id' in value && 'password' in value) {
    const { id, password } = value
    if (typeof id === 'string' && typeof password === 'string') return { id, password }
  }
  throw embeddedErrors.damaged(`${file} cannot be read; \`npm run reset\` starts afresh`)
}
