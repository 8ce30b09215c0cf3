// Runs every check of the project in order and stops at the first that fails.
// `npm run check` runs all; `npm run check:fast` leaves out what needs a database or a chain.
import { spawn } from 'node:child_process'
import { styleText } from 'node:util'

interface Check {
  readonly name: string
  /** A binary of a dependency, or with `isScript` a file of ours, and its arguments. */
  readonly command: readonly string[]
  readonly fast: boolean
  readonly isScript?: boolean
  readonly variables?: Readonly<Record<string, string>>
}

const CHECKS: readonly Check[] = [
  { name: 'format', command: ['prettier', '--check', '--log-level', 'warn', '.'], fast: true },
  {
    name: 'solhint',
    command: ['solhint', '--max-warnings', '0', 'contracts/**/*.sol'],
    fast: true,
  },
  { name: 'lint', command: ['oxlint', '--type-aware', '--quiet'], fast: true },
  { name: 'types', command: ['tsc', '--noEmit'], fast: true },
  { name: 'dead code', command: ['knip'], fast: true },
  {
    name: 'house and unit tests',
    command: ['vitest', 'run', '--project', 'unit'],
    fast: true,
  },
  { name: 'contract tests', command: ['hardhat', 'test', 'solidity'], fast: false },
  {
    name: 'contract coverage',
    command: ['scripts/contracts/coverage.ts'],
    fast: false,
    isScript: true,
  },
  {
    name: 'one fault in the contracts',
    command: [
      'scripts/contracts/mutation.ts',
      '--only',
      'settlement/Custody.sol safeTransfer(wallet',
    ],
    fast: false,
    isScript: true,
    variables: { FUZZ_RUNS: '64' },
  },
  { name: 'all tests', command: ['vitest', 'run'], fast: false },
]

function run({ command, isScript = false, variables = {} }: Check): Promise<number> {
  return new Promise((resolve, reject) => {
    const target = isScript ? command : ['--bin', ...command]
    const child = spawn(process.execPath, ['scripts/bootstrap.mjs', ...target], {
      stdio: 'inherit',
      env: { ...process.env, ...variables },
    })
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })
}

const fast = process.argv.includes('--fast')
for (const check of CHECKS.filter((candidate) => !fast || candidate.fast)) {
  if (!fast && check.name === 'house and unit tests') continue
  const startedAt = performance.now()
  const code = await run(check)
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  const mark = code === 0 ? styleText('green', '✓') : styleText('red', '✗')
  console.log(`${mark} ${check.name} ${styleText('dim', `${seconds} s`)}`)
  if (code !== 0) process.exit(code)
}
