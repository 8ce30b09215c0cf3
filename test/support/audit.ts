import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Sandbox } from './sandbox.ts'

/** What `npm run audit` says of a sandbox; exit code 0 when everything is equal. */
export async function runAudit(
  sandbox: Sandbox,
): Promise<{ readonly code: unknown; readonly output: string }> {
  const audit = spawn(
    process.execPath,
    ['scripts/audit.ts', '--sandbox', `${sandbox.home}/sandbox.json`],
    { env: { ...process.env, NO_COLOR: '1' }, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let output = ''
  for (const stream of [audit.stdout, audit.stderr]) {
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  }
  const [code] = await once(audit, 'close')
  return { code, output }
}
