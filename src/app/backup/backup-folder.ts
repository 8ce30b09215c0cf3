import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { PassThrough, type Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { parseJson } from '#kernel/json.ts'
import { syncFolder, writeDurably } from '#platform/durable-file.ts'
import { appErrors } from '../errors.ts'
import { MANIFEST_FILE, manifestSchema, type Manifest } from './manifest.ts'

/** A backup on disk: one gzipped file a table and a manifest that vouches for each. */
export class BackupFolder {
  readonly path: string

  constructor(path: string) {
    this.path = resolve(path)
  }

  /**
   * Fills a folder beside the one that is asked for and gives it its name when all of it is on the
   * disk. Throws `app.backup_exists`.
   */
  async create(fill: (folder: BackupFolder) => Promise<Manifest>): Promise<Manifest> {
    const partial = new BackupFolder(join(dirname(this.path), `.${basename(this.path)}.partial`))
    await rm(partial.path, { recursive: true, force: true })
    await mkdir(partial.path, { recursive: true, mode: 0o700 })
    try {
      if (await this.#isTaken()) throw appErrors.backup_exists(`${this.path} is there already`)
      const manifest = await fill(partial)
      writeDurably(join(partial.path, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`)
      await rename(partial.path, this.path)
      syncFolder(dirname(this.path))
      return manifest
    } finally {
      await rm(partial.path, { recursive: true, force: true })
    }
  }

  /** Reads the manifest and every file that it names; throws `app.backup_broken`. */
  async verify(): Promise<Manifest> {
    const manifest = await this.#readManifest()
    for (const { file, sha256 } of manifest.tables)
      if ((await hashOf(join(this.path, file))) !== sha256)
        throw appErrors.backup_broken(`${file} is not the file that was written`)
    return manifest
  }

  /** Compresses what `write` puts out into a file; returns the hash of the file. */
  async write(file: string, write: (sink: Writable) => Promise<void>): Promise<string> {
    const path = join(this.path, file)
    const rows = new PassThrough()
    const hash = createHash('sha256')
    const target = createWriteStream(path, { mode: 0o600 })
    await Promise.all([
      write(rows),
      pipeline(
        rows,
        createGzip({ level: 6 }),
        async function* (chunks: AsyncIterable<Buffer>) {
          for await (const chunk of chunks) {
            hash.update(chunk)
            yield chunk
          }
        },
        target,
      ),
    ])
    await syncFile(path)
    return hash.digest('hex')
  }

  /** The rows of a file, as they were before they were compressed. */
  read(file: string): Readable {
    return createReadStream(join(this.path, file)).pipe(createGunzip())
  }

  async #isTaken(): Promise<boolean> {
    return mkdir(this.path).then(
      () => rm(this.path, { recursive: true }).then(() => false),
      () => true,
    )
  }

  async #readManifest(): Promise<Manifest> {
    const text = await readFile(join(this.path, MANIFEST_FILE), 'utf8').catch(() => undefined)
    if (text === undefined)
      throw appErrors.backup_broken(`there is no ${MANIFEST_FILE} in ${this.path}`)
    const parsed = manifestSchema.safeParse(tryParse(text))
    if (parsed.success) return parsed.data
    const [issue] = parsed.error.issues
    const where = issue?.path.join('.') ?? ''
    throw appErrors.backup_broken(`${MANIFEST_FILE}: ${where} ${issue?.message ?? ''}`)
  }
}

function tryParse(text: string): unknown {
  try {
    return parseJson(text)
  } catch {
    return undefined
  }
}

async function hashOf(path: string): Promise<string | undefined> {
  const hash = createHash('sha256')
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk)
    return hash.digest('hex')
  } catch {
    return undefined
  }
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
