// Prints which lines and branches of contracts/ the Solidity tests reach; exits 1 below the least.
// The tests run in a scratch copy whose contracts report what they run; see coverage-markers.ts for what counts.
import {
  cpSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { assert } from '#kernel/assert.ts'
import { isJsonObject, parseJson } from '#kernel/json.ts'
import { tableLines } from '../table.ts'
import { asView, MARKS, markSource } from './coverage-markers.ts'
import { coverageRows, missed, shortfall, total } from './coverage-figures.ts'
import type { Points } from './coverage-figures.ts'
import type { Point } from './coverage-markers.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const COPIED = ['contracts', 'test/contracts', 'scripts', 'src/kernel']
const FILES = ['hardhat.config.ts', 'package.json', 'tsconfig.json']
const CONFIG = 'scripts/contracts/coverage.config.ts'
const LIBRARY = 'contracts/Marks.sol'
const NOT_OURS = 'contracts/mocks/'
const FOOT = `A line counts when a statement starts on it. Branches are both outcomes of every if, ?:, require, loop condition and
left side of && and ||, every try and catch, and in assembly both outcomes of if and for and every case of switch.`

interface Compiler {
  compile(input: string): string
}

function isCompiler(value: unknown): value is Compiler {
  return typeof value === 'object' && value !== null && 'compile' in value
}

const solc: unknown = createRequire(import.meta.url)('solc')

/** The syntax tree of each source, which needs no imports. */
function parse(sources: ReadonlyMap<string, string>): (name: string) => unknown {
  assert(isCompiler(solc), 'solc compiles')
  const input = {
    language: 'Solidity',
    sources: Object.fromEntries([...sources].map(([name, content]) => [name, { content }])),
    settings: { stopAfter: 'parsing', outputSelection: { '*': { '': ['ast'] } } },
  }
  const output = parseJson(solc.compile(JSON.stringify(input)))
  const trees = isJsonObject(output) && isJsonObject(output['sources']) ? output['sources'] : {}
  return (name) => {
    const tree = trees[name]
    assert(isJsonObject(tree), `${name} can be parsed`)
    return tree['ast']
  }
}

function solidityUnder(folder: string): readonly string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.sol'))
    .map((file) => `${folder}/${file.replaceAll('\\', '/')}`)
    .toSorted()
}

function copyProject(scratch: string): void {
  for (const name of COPIED) cpSync(join(ROOT, name), join(scratch, name), { recursive: true })
  for (const name of FILES) cpSync(join(ROOT, name), join(scratch, name))
  symlinkSync(join(ROOT, 'node_modules'), join(scratch, 'node_modules'))
}

/** Writes the contracts with marks and returns what each of them has. */
function markContracts(scratch: string): Points {
  const texts = new Map(
    [...solidityUnder('contracts'), ...solidityUnder('test/contracts')].map((name) => [
      name,
      readFileSync(join(ROOT, name), 'utf8'),
    ]),
  )
  const treeOf = parse(texts)
  const points = new Map<string, readonly Point[]>()
  let tag = 1
  for (const [name, text] of texts) {
    const isMarked = name.startsWith('contracts/') && !name.startsWith(NOT_OURS)
    const library = posix.relative(posix.dirname(name), LIBRARY)
    const path = library.startsWith('.') ? library : `./${library}`
    const marked = isMarked ? markSource(text, treeOf(name), path, tag) : undefined
    writeFileSync(join(scratch, name), marked?.text ?? asView(text))
    if (marked === undefined || marked.points.length === 0) continue
    points.set(name, marked.points)
    tag = Math.max(...marked.points.map((point) => point.tag)) + 1
  }
  writeFileSync(join(scratch, LIBRARY), MARKS)
  return points
}

/** The tags that a run of all tests reported. */
function runTests(scratch: string): ReadonlySet<number> {
  const hardhat = join(ROOT, 'node_modules/hardhat/dist/src/cli.js')
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [hardhat, '--config', CONFIG, '--coverage', 'test', 'solidity'],
    { cwd: scratch, encoding: 'utf8', maxBuffer: 1 << 28 },
  )
  if (status !== 0) process.stderr.write(stdout + stderr)
  assert(status === 0, 'the tests pass with marks')
  const folder = join(scratch, 'coverage/data/solidity')
  const hits = readdirSync(folder).flatMap((file) => {
    const data = parseJson(readFileSync(join(folder, file), 'utf8'))
    return isJsonObject(data) ? Object.keys(data) : []
  })
  return new Set(hits.map((hit) => Number(BigInt(`0x${hit}`))))
}

const scratch = mkdtempSync(join(tmpdir(), 'mooring-coverage-'))
try {
  copyProject(scratch)
  const points = markContracts(scratch)
  const hits = runTests(scratch)
  const header = ['contract', 'lines', 'of', '%', 'branches', 'of', '%']
  const lines = tableLines(header, coverageRows(points, hits))
  process.stdout.write(`${lines.join('\n')}\n\n${missed(points, hits).join('\n')}\n${FOOT}\n`)
  const short = shortfall(total(points, hits))
  if (short !== undefined) {
    process.stderr.write(`${short}\n`)
    process.exitCode = 1
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
