import hardhatEthers from '@nomicfoundation/hardhat-ethers'
import { configVariable, defineConfig } from 'hardhat/config'
import type { HardhatPlugin } from 'hardhat/types/plugins'
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { buildPlan } from './scripts/contracts/build-plan.ts'
import { handlerReport } from './scripts/contracts/handler-report.ts'

const FUZZ_RUNS = Number(process.env['FUZZ_RUNS'] ?? 1_000)
const CALLS_A_RUN = 50

/** Code size limits do not apply to tests, and warnings about packages are not ours to fix. */
const SIZE_WARNINGS = ['3860', '5574']

/** Compiler warnings about our contracts stop the build. */
const warningsAreErrors: HardhatPlugin = {
  id: 'mooring-warnings-are-errors',
  hookHandlers: {
    solidity: () =>
      Promise.resolve({
        default: () =>
          Promise.resolve({
            invokeSolc: async (context, compiler, input, config, next) => {
              const output = await next(context, compiler, input, config)
              const errors = (output.errors ?? []).flatMap((error) => {
                const file = /--> (\S+?):/.exec(error.formattedMessage ?? '')?.[1] ?? ''
                if (error.severity !== 'warning') return [error]
                // What is compiled for a test without the optimizer is never deployed.
                const isSize = SIZE_WARNINGS.includes(error.errorCode ?? '')
                if (isSize && input.settings.optimizer?.enabled !== true) return []
                if (file.startsWith('project/contracts/'))
                  return [{ ...error, severity: 'error' as const, type: 'StrictWarning' }]
                return file.startsWith('npm/') || isSize ? [] : [error]
              })
              return { ...output, errors }
            },
          }),
      }),
  },
}

/** These prove the optimized code of the libraries that they contain. */
const UNIT_TESTS = ['Lanes.t.sol', 'LaneStore.t.sol']

/** The others create the contracts from their artifacts, so optimizing the tests themselves would only take time. */
function suiteTests(): readonly string[] {
  const folder = new URL('test/contracts/', import.meta.url)
  // The image that deploys has no tests.
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.sol') && !UNIT_TESTS.includes(file))
    .map((file) => `test/contracts/${file.replaceAll('\\', '/')}`)
}

/** The compiler that npm brought, with these settings. */
export function compiler(settings: Readonly<Record<string, unknown>>) {
  return {
    version: '0.8.37',
    path: fileURLToPath(import.meta.resolve('solc/soljson.js')),
    settings: { evmVersion: 'osaka', ...settings },
  }
}

/**
 * `<NAME>_RPC_URL` and `<NAME>_DEPLOYER_KEY` make the network `<name>`: lower case, underscores become hyphens.
 */
function networksFromVariables() {
  const names = Object.keys(process.env).flatMap((key) => /^(\w+)_RPC_URL$/.exec(key)?.[1] ?? [])
  return Object.fromEntries(
    names.map((name) => [
      name.toLowerCase().replaceAll('_', '-'),
      {
        type: 'http' as const,
        url: configVariable(`${name}_RPC_URL`),
        accounts: [configVariable(`${name}_DEPLOYER_KEY`)],
      },
    ]),
  )
}

const OPTIMIZED = { viaIR: true, optimizer: { enabled: true, runs: 10_000 } }

/** A second run of the compiler at the same time: about half of the work. */
const besides = compiler(OPTIMIZED)
const BESIDES = [
  'contracts/access/Authority.sol',
  'contracts/compliance/PolicyEngine.sol',
  'contracts/supply/ReserveGate.sol',
  'contracts/supply/SupplyController.sol',
  'contracts/token/Distributor.sol',
  ...UNIT_TESTS.map((name) => `test/contracts/${name}`),
]
const unoptimized = compiler({})

export default defineConfig({
  plugins: [hardhatEthers, buildPlan, warningsAreErrors],
  tasks: [handlerReport],
  paths: {
    sources: './contracts',
    tests: { solidity: './test/contracts' },
    artifacts: './artifacts',
    cache: './cache',
  },
  networks: networksFromVariables(),
  solidity: {
    compilers: [compiler(OPTIMIZED)],
    overrides: {
      ...Object.fromEntries(BESIDES.map((file) => [file, besides])),
      ...Object.fromEntries(suiteTests().map((file) => [file, unoptimized])),
      // Its hot loop is assembly, so fewer runs cost little gas and spare a good deal of code.
      'contracts/settlement/ClearingHouse.sol': compiler({
        viaIR: true,
        optimizer: { enabled: true, runs: 700 },
      }),
    },
  },
  test: {
    solidity: {
      fuzz: { runs: FUZZ_RUNS },
      // For all twelve invariants together as many runs as for one fuzz test, and some more.
      invariant: { runs: Math.ceil(FUZZ_RUNS / 10), depth: CALLS_A_RUN },
    },
  },
})
