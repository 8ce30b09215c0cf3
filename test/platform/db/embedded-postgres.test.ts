import { spawn, type ChildProcess } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import { InvariantError } from '#kernel/assert.ts'
import { EmbeddedPostgres } from '#platform/db/embedded-postgres.ts'
import { findProcess, isRunning, sendSignal } from '#platform/process-identity.ts'
import { canEverybodyReach } from '../../support/reach.ts'

const isRoot = process.getuid?.() === 0
const canBecomeOther =
  isRoot && canEverybodyReach(import.meta.filename) && canEverybodyReach(process.execPath)
/** An account that every Unix has and that is neither root nor the server's own user. */
const ORDINARY_UID = 1
const CHILD = fileURLToPath(new URL('../../support/embedded-postgres-child.ts', import.meta.url))

const servers: EmbeddedPostgres[] = []
const children: ChildProcess[] = []
const folders: string[] = []

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  const used = servers.splice(0)
  for (const server of used) await server.stop()
  for (const server of used) await server.remove()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function folder(mode = 0o700): string {
  const path = mkdtempSync(join(tmpdir(), 'mooring-test-'))
  chmodSync(path, mode)
  folders.push(path)
  return path
}

function serverIn(home: string, log: (line: string) => void = () => undefined): EmbeddedPostgres {
  const server = new EmbeddedPostgres({ home, log })
  servers.push(server)
  return server
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const result = await client.query<Record<string, unknown>>(sql)
    return result.rows
  } finally {
    await client.end()
  }
}

/** Starts the database in a process of its own and answers its url. */
async function startInChild(home: string, options: { uid?: number; gid?: number } = {}) {
  const child = spawn(process.execPath, [CHILD, home], {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(child)
  let said = ''
  child.stderr.on('data', (part: Buffer) => (said += part.toString()))
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (part: Buffer) => resolve(part.toString().trim()))
    child.once('exit', () => reject(new InvariantError(said)))
  })
  return { child, url }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  await new Promise<void>((resolve) => child.once('exit', () => resolve()))
}

/** Where the server keeps its data and how its process is called, by its own word. */
async function serverFacts(url: string): Promise<{ data: string; pid: number }> {
  const [row] = await query(url, "SELECT current_setting('data_directory') AS data")
  const data = String(row?.['data'])
  return { data, pid: Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0]) }
}

describe('EmbeddedPostgres', () => {
  it('starts durable and without TCP in a folder that only its owner can enter', async () => {
    const server = serverIn(folder(0o700))
    await server.start()
    const [row] = await query(
      server.url,
      `SELECT current_database() AS database, current_setting('listen_addresses') AS tcp,
              current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS sync`,
    )
    expect(row).toEqual({ database: 'mooring', tcp: '', fsync: 'on', sync: 'on' })
  })

  it('refuses a client without the password', async () => {
    const server = serverIn(folder())
    await server.start()
    const stranger = new URL(server.url)
    stranger.password = 'guess'
    await expect(query(stranger.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' })
  })

  it('keeps its rows over a restart', async () => {
    const server = serverIn(folder())
    await server.start()
    await query(server.url, 'CREATE TABLE kept AS SELECT 42 AS answer')
    const before = server.url
    await server.stop()
    await server.start()
    expect(server.url).toBe(before)
    expect(await query(server.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }])
  })

  it('starts in a path of 120 characters with a space in it', async () => {
    const root = folder()
    const home = join(root, 'a b'.padEnd(120 - root.length - 1, 'x'))
    expect(home).toHaveLength(120)
    const server = serverIn(home)
    await server.start()
    expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  })

  it('cleans up after a parent that was killed, and loses nothing', async () => {
    const home = folder()
    const { child, url } = await startInChild(home)
    await query(url, 'CREATE TABLE kept AS SELECT 1 AS answer')
    const orphan = await serverFacts(url)
    child.kill('SIGKILL')
    await ended(child)
    expect(findProcess(orphan.pid)?.command).toContain(orphan.data)

    const server = serverIn(home)
    await server.start()
    expect(await query(server.url, 'SELECT answer FROM kept')).toEqual([{ answer: 1 }])
    expect((await serverFacts(server.url)).pid).not.toBe(orphan.pid)
    expect(findProcess(orphan.pid)).toBeUndefined()
  })

  it('comes back by itself when the server is killed under a running node', async () => {
    const server = serverIn(folder())
    await server.start()
    await query(server.url, 'CREATE TABLE kept AS SELECT 1 AS answer')
    const { pid, data } = await serverFacts(server.url)
    const killed = findProcess(pid)
    expect(killed?.command).toContain(data)
    sendSignal(pid, 'SIGKILL')
    await expect
      .poll(() => query(server.url, 'SELECT answer FROM kept').catch(() => []), {
        interval: 50,
      })
      .toEqual([{ answer: 1 }])
    if (killed !== undefined) expect(isRunning(killed.mark)).toBe(false)
  })

  it('comes back when what kept it down has passed, however often it had failed', async () => {
    const lines: string[] = []
    const server = serverIn(folder(), (line) => lines.push(line))
    await server.start()
    const { data, pid } = await serverFacts(server.url)
    const control = join(data, 'global', 'pg_control')
    renameSync(control, `${control}.away`)
    sendSignal(pid, 'SIGKILL')
    await expect.poll(() => lines.some((line) => line.includes('stays down'))).toBe(true)
    renameSync(`${control}.away`, control)
    await expect
      .poll(() => query(server.url, 'SELECT 1 AS answer').catch(() => []))
      .toEqual([{ answer: 1 }])
  })

  it('does not mistake a stranger that got the pid of a dead server for the server', async () => {
    const server = serverIn(folder())
    await server.start()
    const { data } = await serverFacts(server.url)
    await server.stop()
    writeFileSync(
      join(data, 'postmaster.pid'),
      `${process.pid}\n${data}\n1\n5432\n/nowhere\n\n\nready   \n`,
    )
    await server.start()
    expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  })

  it('refuses a folder that another live process uses', async () => {
    const home = folder()
    const { child } = await startInChild(home)
    await expect(serverIn(home).start()).rejects.toMatchObject({ code: 'sandbox_postgres.in_use' })
    child.kill('SIGTERM')
    await ended(child)
    servers.splice(0)
    const server = serverIn(home)
    await server.start()
  })

  it('refuses data of another major version', async () => {
    const server = serverIn(folder())
    await server.start()
    const { data } = await serverFacts(server.url)
    await server.stop()
    writeFileSync(join(data, 'PG_VERSION'), '12\n')
    await expect(server.start()).rejects.toMatchObject({ code: 'sandbox_postgres.other_major' })
  })

  it('begins afresh when the home was deleted, wherever the data lie', async () => {
    const home = join(folder(), 'home')
    const first = serverIn(home)
    await first.start()
    await query(first.url, 'CREATE TABLE gone AS SELECT 1')
    await first.stop()
    rmSync(home, { recursive: true })
    const second = serverIn(home)
    await second.start()
    expect(await query(second.url, "SELECT to_regclass('gone') AS found")).toEqual([
      { found: null },
    ])
  })

  it('deletes everything on remove', async () => {
    const server = serverIn(folder())
    await server.start()
    const { data } = await serverFacts(server.url)
    await server.stop()
    await server.remove()
    expect(existsSync(data)).toBe(false)
  })

  it.skipIf(!canBecomeOther)(
    'starts as an ordinary user (needs root, and folders open to all)',
    async () => {
      const root = folder(0o755)
      const home = join(root, 'home')
      mkdirSync(home, { mode: 0o700 })
      chownSync(home, ORDINARY_UID, ORDINARY_UID)
      const { child, url } = await startInChild(home, { uid: ORDINARY_UID, gid: ORDINARY_UID })
      const { data } = await serverFacts(url)
      expect(data.startsWith(home)).toBe(true)
      child.kill('SIGTERM')
      await ended(child)
      const socketFolder = new URL(url).searchParams.get('host') ?? ''
      expect(existsSync(join(socketFolder, '.s.PGSQL.5432'))).toBe(false)
      rmSync(socketFolder, { recursive: true })
    },
  )

  it.skipIf(!isRoot)('runs as another user when root starts it (needs root)', async () => {
    const server = serverIn(folder(0o700))
    await server.start()
    const { pid } = await serverFacts(server.url)
    expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^Uid:\s+65534\s+65534\s/m)
  })
})
