// Puts one deliberate mistake after the other into the contracts and runs the Solidity tests, which must notice.
//   --invariants   only the faults that an invariant finds alone, by that invariant alone
//   --only <text>  only faults whose file or replaced code contains the text
// A fault is compiled without the optimizer and put into the artifacts of a scratch copy, from which every test creates
// its contracts, so one run takes seconds.
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { assert } from '#kernel/assert.ts'
import { isJsonObject, parseJson } from '#kernel/json.ts'
import { tableLines } from '../table.ts'
import { FAULTS } from './faults.ts'
import type { Fault } from './faults/fault.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const COPIED = ['contracts', 'test/contracts', 'artifacts', 'cache', 'scripts', 'src/kernel']
const FILES = ['hardhat.config.ts', 'package.json', 'tsconfig.json']
const LEAST_KILLED = 0.9
const TEST_TIMEOUT_MS = 600_000

/** What must be compiled again when a file changes; a file without an entry is a contract by itself. */
const USERS: Readonly<Record<string, readonly string[]>> = {
  'settlement/Attestation.sol': ['settlement/ClearingHouse', 'supply/ReserveGate'],
  'settlement/Records.sol': ['settlement/ClearingHouse', 'test:LaneStore'],
  'settlement/Turnover.sol': ['settlement/ClearingHouse', 'test:LaneStore', 'test:Turnover'],
  'settlement/LaneStore.sol': ['settlement/ClearingHouse', 'test:LaneStore'],
  'settlement/Lanes.sol': ['settlement/ClearingHouse', 'test:LaneStore', 'test:Lanes'],
  'settlement/Books.sol': ['settlement/ClearingHouse', 'test:LaneStore'],
  'settlement/Custody.sol': ['settlement/ClearingHouse'],
  'settlement/Exit.sol': ['settlement/ClearingHouse'],
  'settlement/Dvp.sol': ['settlement/ClearingHouse'],
  'settlement/DvpOrders.sol': ['settlement/ClearingHouse'],
  'supply/Redemptions.sol': ['supply/SupplyController'],
  'compliance/WalletBook.sol': ['compliance/InvestorRegistry'],
  'compliance/Party.sol': [
    'compliance/InvestorRegistry',
    'compliance/PolicyEngine',
    'token/AssetToken',
    'test:Policy',
  ],
  'access/AssetGoverned.sol': [
    'supply/SupplyController',
    'token/AssetRegistry',
    'token/Distributor',
  ],
  'token/Documents.sol': ['token/AssetRegistry'],
  'token/CorporateActions.sol': ['token/AssetRegistry'],
}

interface Target {
  /** Source as the compiler sees it. */
  readonly source: string
  readonly contract: string
  /** Its artifact below the scratch copy. */
  readonly artifact: string
}

function targetsOf(file: string): readonly Target[] {
  return (USERS[file] ?? [file.replace(/\.sol$/, '')]).map((user) => {
    const isTest = user.startsWith('test:')
    const path = isTest ? `test/contracts/${user.slice(5)}.t` : `contracts/${user}`
    const contract = isTest ? `${user.slice(5)}Test` : (user.split('/').at(-1) ?? user)
    return { source: `${path}.sol`, contract, artifact: `artifacts/${path}.sol/${contract}.json` }
  })
}

interface Compiler {
  compile(input: string, callbacks: { import: (path: string) => { contents: string } }): string
}

function isCompiler(value: unknown): value is Compiler {
  return typeof value === 'object' && value !== null && 'compile' in value
}

const solc: unknown = createRequire(import.meta.url)('solc')
assert(isCompiler(solc), 'solc compiles')
const compiler = solc

function field(value: unknown, ...names: readonly string[]): unknown {
  return names.reduce<unknown>(
    (inner, name) => (isJsonObject(inner) ? inner[name] : undefined),
    value,
  )
}

function textOf(path: string): string {
  const folder = path.startsWith('@') ? 'node_modules/' : ''
  return readFileSync(join(ROOT, folder + path), 'utf8')
}

/** Creation and runtime code of what a fault changes; throws when the faulty source does not compile. */
function compile(fault: Fault): readonly (readonly [Target, unknown, unknown])[] {
  const path = `contracts/${fault.file}`
  const text = textOf(path)
  assert(text.split(fault.find).length === 2, `once in ${path}: ${fault.find}`)
  const faulty = text.replace(fault.find, () => fault.replace)
  const targets = targetsOf(fault.file)
  const names = [...new Set([path, ...targets.map(({ source }) => source)])]
  const input = {
    language: 'Solidity',
    sources: Object.fromEntries(
      names.map((name) => [name, { content: name === path ? faulty : textOf(name) }]),
    ),
    settings: {
      evmVersion: 'osaka',
      outputSelection: Object.fromEntries(
        targets.map(({ source, contract }) => [
          source,
          { [contract]: ['evm.bytecode.object', 'evm.deployedBytecode.object'] },
        ]),
      ),
    },
  }
  const output = parseJson(
    compiler.compile(JSON.stringify(input), { import: (name) => ({ contents: textOf(name) }) }),
  )
  return targets.map((target) => {
    const evm = field(output, 'contracts', target.source, target.contract, 'evm')
    const [code, runtime] = [
      field(evm, 'bytecode', 'object'),
      field(evm, 'deployedBytecode', 'object'),
    ]
    assert(
      typeof code === 'string' && code !== '',
      `${target.contract} compiles: ${JSON.stringify(field(output, 'errors'))?.slice(0, 500)}`,
    )
    return [target, `0x${code}`, `0x${String(runtime)}`] as const
  })
}

/** A copy in which artifacts can be replaced. */
class Scratch {
  readonly #folder = mkdtempSync(join(tmpdir(), 'mooring-faults-'))

  constructor() {
    for (const name of COPIED)
      cpSync(join(ROOT, name), join(this.#folder, name), { recursive: true })
    for (const name of FILES) cpSync(join(ROOT, name), join(this.#folder, name))
    symlinkSync(join(ROOT, 'node_modules'), join(this.#folder, 'node_modules'))
  }

  /** Whether one of the runs notices; where an invariant is asked alone, it must be what failed and not `setUp()`. */
  async kills(fault: Fault, runs: readonly (readonly string[])[]): Promise<boolean> {
    const changed = compile(fault).map(([{ artifact }, bytecode, deployedBytecode]) => {
      const path = join(this.#folder, artifact)
      const before = readFileSync(path, 'utf8')
      const json = parseJson(before)
      assert(isJsonObject(json), 'an artifact is an object')
      const links = { linkReferences: {}, deployedLinkReferences: {} }
      writeFileSync(path, JSON.stringify({ ...json, ...links, bytecode, deployedBytecode }))
      return [path, before] as const
    })
    try {
      for (const run of runs) {
        const { code, output } = await this.test(run)
        const isFound = !run.includes('--grep') || /^ *\d+\) invariant_/m.test(output)
        if (code !== 0 && isFound) return true
      }
      return false
    } finally {
      for (const [path, before] of changed) writeFileSync(path, before)
    }
  }

  /** Runs the Solidity tests. */
  test(options: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
    return new Promise((resolve, reject) => {
      const hardhat = join(ROOT, 'node_modules/hardhat/dist/src/cli.js')
      const child = spawn(
        process.execPath,
        [hardhat, 'test', 'solidity', '--no-compile', ...options],
        { cwd: this.#folder, stdio: ['ignore', 'pipe', 'ignore'], timeout: TEST_TIMEOUT_MS },
      )
      let output = ''
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
      child.once('error', reject)
      child.once('close', (code) => resolve({ code: code ?? 1, output }))
    })
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** Where a mistake in a folder is most likely noticed; the other tests run only when it is not. */
const NEAREST: Readonly<Record<string, readonly string[]>> = {
  access: ['Authority', 'Assets', 'AssetToken', 'Supply'],
  compliance: ['InvestorRegistry', 'Wallets', 'Policy'],
  settlement: ['ClearingHouse', 'Exit', 'Dvp', 'LaneStore', 'Turnover', 'Edges', 'Pitfalls'],
  supply: ['Supply', 'ReserveGate', 'Assets', 'Edges'],
  token: ['AssetToken', 'Assets', 'Distribution', 'Edges'],
}

/** Options of the runs to make, one after the other until a fault is noticed. */
function runsFor(fault: Fault, isAlone: boolean): readonly (readonly string[])[] {
  if (isAlone && fault.invariant !== undefined) {
    const number = String(fault.invariant).padStart(2, '0')
    return [['test/contracts/invariants/Invariants.t.sol', '--grep', `invariant_${number}_`]]
  }
  const nearest = NEAREST[fault.file.split('/')[0] ?? ''] ?? []
  return [nearest.map((name) => `test/contracts/${name}.t.sol`), []]
}

const { values } = parseArgs({
  options: { invariants: { type: 'boolean', default: false }, only: { type: 'string' } },
})
const chosen = FAULTS.filter(
  ({ file, find, invariant }) =>
    (!values.invariants || invariant !== undefined) &&
    (values.only === undefined || `${file} ${find}`.includes(values.only)),
)
const rows: string[][] = []
const queue = [...chosen]

/** One scratch copy works through the queue. */
async function work(): Promise<void> {
  const scratch = new Scratch()
  try {
    const { code, output } = await scratch.test(
      values.invariants ? ['test/contracts/invariants/Invariants.t.sol'] : [],
    )
    assert(code === 0, `the tests pass without a fault: ${output.slice(-2_000)}`)
    for (let fault = queue.shift(); fault !== undefined; fault = queue.shift()) {
      const killed = await scratch.kills(fault, runsFor(fault, values.invariants))
      const by = values.invariants ? `invariant ${fault.invariant}` : 'the tests'
      const code = `${fault.find.trim().slice(0, 70)} → ${fault.replace.trim().slice(0, 50) || 'nothing'}`
      rows.push([fault.file, code, killed ? `found by ${by}` : 'SURVIVED'])
      process.stdout.write(`${killed ? '✓' : '✗'} ${fault.file}: ${code}\n`)
    }
  } finally {
    scratch.remove()
  }
}

await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work))
const survived = rows.filter(([, , result]) => result === 'SURVIVED').length
process.stdout.write(`\n${tableLines(['file', 'fault', 'result'], rows).join('\n')}\n\n`)
process.stdout.write(`${chosen.length - survived} of ${chosen.length} faults were found\n`)
const least = values.invariants ? 1 : LEAST_KILLED
if (chosen.length === 0 || chosen.length - survived < chosen.length * least) process.exitCode = 1
