import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { NODE_ROLES } from '#platform/config.ts'
import { freePort } from '../../../scripts/free-port.ts'

let home: string
let env: NodeJS.ProcessEnv

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'mooring-stop-'))
  const ports = { HTTP_PORT: '0', CHAIN_RPC_PORT: String(await freePort()) }
  // Without somebody who watches the chain the demo data never get ready.
  const ROLES = NODE_ROLES.filter((role) => role !== 'watcher').join(',')
  env = { ...process.env, ...ports, ROLES, MOORING_HOME: home, NO_COLOR: '1' }
})

afterEach(async () => {
  await once(run('reset'), 'close')
  rmSync(home, { recursive: true, force: true })
})

function run(command: string): ChildProcess {
  const child = spawn(process.execPath, ['src/main.ts', command], { env })
  child.stderr.resume()
  return child
}

it('obeys while it makes its demo data', async () => {
  const sandbox = run('sandbox')
  const closed = once(sandbox, 'close')
  let out = ''
  sandbox.stdout?.on('data', (chunk) => (out += String(chunk)))
  await expect.poll(() => out).toContain('✓ node')
  sandbox.kill('SIGTERM')
  const patience = sleep(25_000, 'still there', { ref: false })
  expect(await Promise.race([closed, patience])).toEqual([0, null])
  expect(out).not.toContain('✓ demo data')
})
