import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { at } from '../../scripts/body.ts'
import { freePort } from '../../scripts/free-port.ts'

/** The script did not do what was asked of it. */
export class BrokerFailure extends Error {
  override readonly name = 'BrokerFailure'
}

/** A Kafka broker of one's own, to be stopped and started again on the same address. */
export class Broker {
  readonly #home = mkdtempSync(join(tmpdir(), 'mooring-broker-'))
  readonly #port: number

  private constructor(port: number) {
    this.#port = port
  }

  static async start(): Promise<Broker> {
    const broker = new Broker(await freePort())
    await broker.start()
    return broker
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`
  }

  async start(): Promise<void> {
    await this.#run('up')
  }

  /** Asks it to end; what it holds is kept. */
  async stop(): Promise<void> {
    await this.#run('down')
  }

  /** Ends it as a power cut does, where it is a process of this machine. */
  async kill9(): Promise<void> {
    const record: unknown = JSON.parse(
      readFileSync(join(this.#home, 'kafka', 'broker.json'), 'utf8'),
    )
    const pid = at(record, 'pid')
    if (typeof pid === 'number') process.kill(pid, 'SIGKILL')
    await this.stop()
  }

  async dispose(): Promise<void> {
    await this.stop()
    rmSync(this.#home, { recursive: true, force: true })
  }

  async #run(command: 'up' | 'down'): Promise<void> {
    const child = spawn(process.execPath, ['scripts/kafka.mjs', command], {
      env: { ...process.env, KAFKA_PORT: String(this.#port), MOORING_HOME: this.#home },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let words = ''
    child.stderr.on('data', (part: Buffer) => (words += part.toString()))
    const code = await new Promise((resolve) => child.once('close', resolve))
    if (code !== 0) throw new BrokerFailure(`kafka ${command}: ${words}`)
  }
}
