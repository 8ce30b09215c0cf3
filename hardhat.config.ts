import hardhatEthers from '@nomicfoundation/hardhat-ethers'
import { configVariable, defineConfig } from 'hardhat/config'
import type { HardhatPlugin } from 'hardhat/types/plugins'
import { fileURLToPath } from 'node:url'

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
                if (file.startsWith('project/contracts/'))
                  return [{ ...error, severity: 'error' as const, type: 'StrictWarning' }]
                const quiet =
                  file.startsWith('npm/') || SIZE_WARNINGS.includes(error.errorCode ?? '')
                return quiet ? [] : [error]
              })
              return { ...output, errors }
            },
          }),
      }),
  },
}

/** These create the contracts from their artifacts, so optimizing the tests themselves would only take time. */
const SUITE_TESTS = ['Assets', 'ClearingHouse', 'InvestorRegistry'].map(
  (name) => `test/contracts/${name}.t.sol`,
)

function compiler(settings: Readonly<Record<string, unknown>>) {
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

export default defineConfig({
  plugins: [hardhatEthers, warningsAreErrors],
  paths: {
    sources: './contracts',
    tests: { solidity: './test/contracts' },
    artifacts: './artifacts',
    cache: './cache',
  },
  networks: networksFromVariables(),
  solidity: {
    compilers: [compiler({ viaIR: true, optimizer: { enabled: true, runs: 10_000 } })],
    overrides: Object.fromEntries(SUITE_TESTS.map((file) => [file, compiler({})])),
  },
  test: { solidity: { fuzz: { runs: Number(process.env['FUZZ_RUNS'] ?? 1000) } } },
})
