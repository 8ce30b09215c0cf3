import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Body } from '../../scripts/body.ts'

/** One operation as the generator writes it: parameters in the order of the document. */
export type GeneratedCall = (
  ...parameters: readonly unknown[]
) => Promise<{ readonly status: number; readonly data: Body }>

export interface GeneratedClient {
  readonly defaults: {
    baseUrl: string
    headers: Record<string, string>
    fetch?: typeof fetch
  }
  readonly operations: Readonly<Record<string, GeneratedCall>>
}

/** The generator refused the document. */
export class GenerationFailure extends Error {
  override readonly name = 'GenerationFailure'
}

const GENERATOR = 'node_modules/oazapfts/dist/cli.js'

/** Lets a public generator write a client from an OpenAPI document, and loads what it wrote. */
export async function generateClient(document: Body): Promise<GeneratedClient> {
  const folder = join(import.meta.dirname, `.client-${process.pid}`)
  mkdirSync(folder, { recursive: true })
  try {
    const [input, output] = [join(folder, 'openapi.json'), join(folder, 'client.ts')]
    writeFileSync(input, JSON.stringify(document))
    const run = spawnSync(process.execPath, [GENERATOR, input, output], { encoding: 'utf8' })
    if (run.status !== 0) throw new GenerationFailure(run.stderr)
    const { defaults, ...operations } = await import(output)
    return { defaults, operations }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
