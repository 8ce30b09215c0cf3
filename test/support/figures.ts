import { readFileSync } from 'node:fs'

/** What a process of the node tells Prometheus. */
export interface Figures {
  /** Names that it declares, with a value or without. */
  readonly declared: ReadonlySet<string>
  /** Names that have a value. */
  readonly told: ReadonlySet<string>
  readonly lines: readonly string[]
}

const ENDS_OF_HISTOGRAM = ['_bucket', '_sum', '_count']

export async function scrape(api: string): Promise<Figures> {
  const text = await (await fetch(`${api}/metrics`)).text()
  const declared = [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].flatMap(([, name = '', kind]) =>
    kind === 'histogram' ? ENDS_OF_HISTOGRAM.map((end) => name + end) : [name],
  )
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  const told = lines.map((line) => /^\w+/.exec(line)?.[0] ?? '')
  return { declared: new Set(declared), told: new Set(told), lines }
}

/** Names of our figures that a file of `deploy/` asks for. */
export function figuresIn(file: string): readonly string[] {
  return [...new Set(readFileSync(file, 'utf8').match(/\bmooring_[a-z_\d]+/g))]
}
