import { spawn, type ChildProcess } from 'node:child_process'
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { syncFolder } from '../durable-file.ts'
import { embeddedErrors } from './embedded-errors.ts'
import type { PostgresPlace } from './postgres-place.ts'

/** Runs initdb beside the final place and moves the result there, so that a half is never seen. */
export async function initialiseCluster(
  binaries: string,
  place: PostgresPlace,
  cluster: { readonly id: string; readonly password: string },
): Promise<void> {
  const fresh = `${place.data}.new`
  const passwordFile = join(place.socketFolder, 'password')
  rmSync(fresh, { recursive: true, force: true })
  writeOwned(passwordFile, cluster.password, place)
  try {
    await runInitdb(binaries, place, fresh, passwordFile)
  } finally {
    rmSync(passwordFile, { force: true })
  }
  writeOwned(join(fresh, 'mooring-cluster'), cluster.id, place)
  syncFolder(fresh)
  renameSync(fresh, place.data)
  syncFolder(dirname(place.data))
}

/**
 * Starts a program of the server as the server's user, on no terminal and with no environment but a
 * fixed one; error `failed` where the system refuses.
 */
export function spawnServerProgram(
  program: string,
  args: readonly string[],
  place: PostgresPlace,
  output: number | 'ignore' | 'pipe',
): ChildProcess {
  try {
    return spawn(program, args, {
      ...place.runAs,
      cwd: place.socketFolder,
      env: { LC_ALL: 'C', TZ: 'UTC' },
      // Its own process group: Ctrl-C in a terminal is the node's to handle, in its order.
      detached: true,
      stdio: ['ignore', output, output],
    })
  } catch (cause) {
    throw embeddedErrors.failed(launchAdvice(String(cause)), { cause })
  }
}

function writeOwned(file: string, content: string, place: PostgresPlace): void {
  writeFileSync(file, content, { mode: 0o600 })
  place.giveToServer(file)
}

async function runInitdb(
  binaries: string,
  place: PostgresPlace,
  data: string,
  passwordFile: string,
): Promise<void> {
  const options = ['--username=mooring', '--auth=scram-sha-256', `--pwfile=${passwordFile}`]
  const locale = ['--encoding=UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
  const args = ['-D', data, ...options, ...locale, '--locale=C', '--no-instructions']
  const child = spawnServerProgram(join(binaries, 'bin', 'initdb'), args, place, 'pipe')
  let words = ''
  child.stdout?.resume()
  child.stderr?.on('data', (part: Buffer) => (words += part.toString()))
  const code = await new Promise<number | string>((resolve) => {
    child.once('error', (error) => {
      words = launchAdvice(error.message)
      resolve('error')
    })
    child.once('close', (status, signal) => resolve(status ?? signal ?? 'error'))
  })
  if (code !== 0) throw embeddedErrors.failed(`initdb: ${words.trim()}`)
}

/** The usual reasons are a C library other than glibc, a noexec mount and a forbidden setuid. */
function launchAdvice(message: string): string {
  return `${message}; the bundled Postgres cannot run here, so set DATABASE_URL to a Postgres 18 server`
}
