import { runEngineBench } from './engine.ts'
import { runHttpBench } from './http.ts'
import { runIndexerBench } from './indexer.ts'

const BENCHES: Readonly<Record<string, (flags: readonly string[]) => Promise<boolean>>> = {
  engine: runEngineBench,
  http: runHttpBench,
  indexer: runIndexerBench,
}

const [name = '', ...flags] = process.argv.slice(2)
const bench = BENCHES[name]
if (bench === undefined) {
  console.error(`usage: npm run bench -- <${Object.keys(BENCHES).join('|')}> [--seconds n]`)
  process.exitCode = 2
} else if (!(await bench(flags))) process.exitCode = 1
