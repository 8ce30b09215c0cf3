import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { writeDurably, writeLargeDurably } from '#platform/durable-file.ts'

interface Life {
  readonly instance: string
  /** Hash of the last block of a clean stop; null while the chain runs or after a crash. */
  readonly cleanHead: string | null
}

const unzip = promisify(gunzip)

/** What a sandbox chain keeps on disk: its state, and which life of the chain that state is of. */
export class ChainFiles {
  readonly folder: string
  readonly state: string
  readonly claim: string
  readonly log: string
  readonly cache: string
  readonly #life: string

  constructor(home: string) {
    mkdirSync(home, { recursive: true, mode: 0o700 })
    this.folder = join(realpathSync(home), 'chain')
    this.state = join(this.folder, 'state.json')
    this.claim = join(this.folder, 'claim.json')
    this.log = join(this.folder, 'anvil.log')
    this.cache = join(this.folder, 'cache')
    this.#life = join(this.folder, 'instance.json')
  }

  prepare(): void {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 })
  }

  hasState(): boolean {
    return existsSync(this.state)
  }

  /** Replaces the state by a dump as anvil hands it out (gzipped JSON). */
  async writeState(dump: Uint8Array): Promise<void> {
    await writeLargeDurably(this.state, await unzip(dump))
  }

  /**
   * Opens a life whose first block is `head`. It is the former one only if that ended cleanly with
   * this very block: otherwise blocks that somebody saw may be missing.
   */
  beginLife(head: string): string {
    const former = this.#readLife()
    const instance = former?.cleanHead === head ? former.instance : randomUUID()
    this.#writeLife({ instance, cleanHead: null })
    return instance
  }

  endLife(instance: string, cleanHead: string): void {
    this.#writeLife({ instance, cleanHead })
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }

  #writeLife(life: Life): void {
    writeDurably(this.#life, JSON.stringify(life))
  }

  #readLife(): Life | undefined {
    if (!existsSync(this.#life)) return undefined
    const value: unknown = JSON.parse(readFileSync(this.#life, 'utf8'))
    if (typeof value !== 'object' || value === null) return undefined
    if (!('instance' in value) || !('cleanHead' in value)) return undefined
    const { instance, cleanHead } = value
    if (typeof instance !== 'string') return undefined
    return { instance, cleanHead: typeof cleanHead === 'string' ? cleanHead : null }
  }
}
