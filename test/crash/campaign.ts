import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { at, integer, text } from '../../scripts/body.ts'
import { until } from '../support/client.ts'
import { Sandbox } from '../support/sandbox.ts'
import {
  armedFile,
  FOLDER_VARIABLE,
  isFailPointName,
  takeHit,
  type Armed,
  type FailPointName,
} from './failpoint.ts'
import { killSupport, untilReplaced, type Support } from './ground.ts'
import { ask } from './judgement.ts'
import { stallMsOf, type Target } from './plan.ts'
import type { Count, Question, Verdict } from './witness.ts'

export interface KillReport {
  readonly inFlight: number
  /** From the end to a node that answers again. */
  readonly backAfterMs: number
  readonly detail: string
  /** One line for each acknowledgement of the last moments that is gone. */
  readonly faults: readonly string[]
}

/** The end did not come as it was planned. */
export class CampaignFailure extends Error {
  override readonly name = 'CampaignFailure'
}

export const LEAST_IN_FLIGHT = 50
const LEAST_ACKNOWLEDGED = 100
const LOADER = pathToFileURL(join(import.meta.dirname, 'failpoint-loader.ts')).href
/** For a machine that does other things too. */
const PATIENCE_MS = 120_000
/** Attempts to find a broadcast that nothing mines. */
const ATTEMPTS = 3

/** A node under the load of a witness, to be ended again and again. */
export class Campaign {
  readonly sandbox: Sandbox
  readonly #folder: string
  readonly #witness: ChildProcess
  /** Rejects when the witness ends before the campaign does: nothing it saw can be judged then. */
  readonly #lost: Promise<never>

  private constructor(sandbox: Sandbox, folder: string) {
    this.sandbox = sandbox
    this.#folder = folder
    const files = [join(sandbox.home, 'sandbox.json'), join(folder, 'acknowledged.jsonl')]
    this.#witness = fork(join(import.meta.dirname, 'witness.ts'), files, {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#lost = once(this.#witness, 'exit').then(([code, signal]) => {
      throw new CampaignFailure(`the witness is gone: exit code ${code}, signal ${signal}`)
    })
    // Whoever asks next hears of it.
    this.#lost.catch(() => undefined)
  }

  static async begin(env: Readonly<Record<string, string>>): Promise<Campaign> {
    const folder = mkdtempSync(join(tmpdir(), 'mooring-crash-'))
    const sandbox = await Sandbox.start({
      env: {
        SETTLEMENT_INTERVAL_MS: '250',
        LOG_LEVEL: 'warn',
        NODE_OPTIONS: `--import=${LOADER}`,
        [FOLDER_VARIABLE]: folder,
        ...env,
      },
    })
    return new Campaign(sandbox, folder)
  }

  async ask<T extends Count | Verdict>(question: Question): Promise<T> {
    const reply = once(this.#witness, 'message')
    if (this.#witness.connected) this.#witness.send(question)
    const [answer] = await Promise.race([reply, this.#lost])
    return answer as T
  }

  /** Waits for load, ends the target amid it, and waits until all stands again. */
  async kill(number: number, target: Target): Promise<KillReport> {
    await this.#load(number)
    const { inFlight } = await this.#busy()
    const from = performance.now()
    const { detail, endedAtMs } = await this.#end(number, target)
    if (this.sandbox.isRunning) await this.#well()
    else await this.sandbox.restart()
    const backAfterMs = performance.now() - (endedAtMs ?? from)
    if (target === 'committed_unacknowledged') await this.#requireSequence(detail)
    const { faults } = await this.ask<Verdict>('glance')
    return { inFlight, backAfterMs, detail, faults }
  }

  async dispose(): Promise<void> {
    this.#witness.kill('SIGKILL')
    await this.sandbox.dispose()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #load(number: number): Promise<void> {
    const { acknowledged: before } = await this.ask<Count>('count')
    await until(
      `load before end ${number}`,
      async () => {
        const { acknowledged } = await this.ask<Count>('count')
        return acknowledged > before + LEAST_ACKNOWLEDGED
      },
      PATIENCE_MS,
    )
    await sleep((number * 137) % 700)
  }

  async #busy(): Promise<Count> {
    return until(
      'requests in flight',
      async () => {
        const count = await this.ask<Count>('count')
        return count.inFlight >= LEAST_IN_FLIGHT ? count : undefined
      },
      PATIENCE_MS,
    )
  }

  async #end(
    number: number,
    target: Target,
  ): Promise<{ readonly detail: string; readonly endedAtMs?: number }> {
    if (isFailPointName(target)) {
      const detail = await this.#killAtPoint(number, target)
      return { detail, endedAtMs: performance.now() }
    }
    switch (target) {
      case 'node':
        await this.sandbox.kill9()
        return { detail: '' }
      case 'postgres':
      case 'anvil':
        return { detail: await this.#killUnderNode(target) }
      case 'node and postgres':
      case 'node and anvil': {
        const support = target === 'node and anvil' ? 'anvil' : 'postgres'
        const { pid } = await killSupport(this.sandbox, support)
        await this.sandbox.kill9()
        return { detail: `${support} ${pid}` }
      }
    }
  }

  async #killUnderNode(support: Support): Promise<string> {
    const { pid } = await killSupport(this.sandbox, support)
    await untilReplaced(this.sandbox, support)
    if (!this.sandbox.isRunning) throw new CampaignFailure(`the node died with its ${support}`)
    return `${support} ${pid}`
  }

  async #killAtPoint(number: number, name: FailPointName): Promise<string> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      // A chain that mines at once has no unmined transactions.
      if (name === 'broadcast_unmined') await ask(this.sandbox.rpc, 'evm_setAutomine', false)
      const isCommit = name === 'commit_sent' || name === 'committed_unacknowledged'
      const after = isCommit ? number % 7 : 0
      this.#arm({ name, after, stallMs: stallMsOf(number, name) })
      await until(`the end at ${name}`, async () => !this.sandbox.isRunning, PATIENCE_MS)
      const hit = takeHit(this.#folder, name)
      if (hit === undefined) throw new CampaignFailure(`the node ended elsewhere than at ${name}`)
      if (name !== 'broadcast_unmined' || (await this.#isUnmined(hit))) return hit
      await this.sandbox.restart()
    }
    throw new CampaignFailure('whatever was broadcast was mined at once')
  }

  #arm(armed: Armed): void {
    if (!isFailPointName(armed.name)) throw new CampaignFailure(`no fail point ${armed.name}`)
    writeFileSync(armedFile(this.#folder), JSON.stringify(armed))
  }

  /** The chain outlives the node, so it can be asked. */
  async #isUnmined(hit: string): Promise<boolean> {
    const hash = text(JSON.parse(hit), 'hash')
    const waiting = await ask(this.sandbox.rpc, 'eth_getTransactionByHash', hash)
    const receipt = await ask(this.sandbox.rpc, 'eth_getTransactionReceipt', hash)
    return waiting !== null && at(waiting, 'blockNumber') === null && receipt === null
  }

  async #well(): Promise<void> {
    const isWell = async () => (await readiness(this.sandbox)) === 200
    await until('a node that is well', isWell, PATIENCE_MS).catch(async (cause: unknown) => {
      throw new CampaignFailure(`not well: ${await this.sandbox.troubles()}`, { cause })
    })
  }

  async #requireSequence(detail: string): Promise<void> {
    const committed = integer(JSON.parse(detail), 'sequence')
    const head = await this.sandbox.client('auditor').get('/v1/journal/head')
    if (integer(head, 'sequence') < committed)
      throw new CampaignFailure(`sequence ${committed} was committed and is gone`)
  }
}

async function readiness({ api }: Sandbox): Promise<number> {
  try {
    const response = await fetch(`${api}/readyz`)
    await response.text()
    return response.status
  } catch {
    return 0
  }
}
