import { spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { freePort } from '../../scripts/free-port.ts'

const SCRIPT = fileURLToPath(new URL('../../scripts/kafka.mjs', import.meta.url))

let home = ''

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'mooring-kafka-'))
})

afterEach(() => {
  rmSync(home, { recursive: true, force: true })
})

function kafka(command: string, settings: Record<string, string> = {}): SpawnSyncReturns<string> {
  const env = {
    ...process.env,
    MOORING_HOME: home,
    MOORING_CACHE: join(home, 'cache'),
    ...settings,
  }
  return spawnSync(process.execPath, [SCRIPT, command], { env, encoding: 'utf8' })
}

describe('kafka', () => {
  it('tells by its exit code that no broker runs', () => {
    expect(kafka('status')).toMatchObject({ status: 3, stdout: '' })
    expect(kafka('down')).toMatchObject({ status: 0, stdout: '' })
  })

  it('refuses what is no command and what is no port', () => {
    expect(kafka('sideways').status).toBe(1)
    expect(kafka('up', { KAFKA_PORT: '70000' })).toMatchObject({ status: 1, stdout: '' })
  })

  it('says which port is taken and how to change it', async () => {
    const port = await freePort()
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    try {
      const { status, stderr } = kafka('up', { KAFKA_PORT: String(port) })
      expect(status).toBe(1)
      expect(stderr).toMatch(new RegExp(`${port}.*KAFKA_PORT`))
    } finally {
      server.close()
    }
  })

  it('needs Docker or Java, and says so in one line', () => {
    const { status, stderr } = kafka('up', { KAFKA_PORT: '0', PATH: home, JAVA_HOME: '' })
    expect(status).toBe(1)
    expect(stderr).toMatch(/^mooring: .*Docker.*Java 17.*\n$/)
  })
})
