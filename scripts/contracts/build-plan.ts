import { availableParallelism } from 'node:os'
import type { CompilerInput, CompilerOutput } from 'hardhat/types/solidity'
import type { HardhatPlugin } from 'hardhat/types/plugins'
import type { HardhatConfig, HardhatUserConfig, SolidityCompilerConfig } from 'hardhat/types/config'

/** Source names of the compiler are those of the project below this. */
const PROJECT = 'project/'

/** Wanted of each file, so that the compiler begins with the first as ever: our imports go round in circles. */
const NO_CONTRACT = { '-': ['abi'] }

/** What needs no code: enough for a contract that another one imports. */
const INTERFACE = ['abi', 'evm.methodIdentifiers']

/** A compiler uses one core, and Hardhat beside it is idle. */
const CONCURRENCY = Math.max(2, availableParallelism())

/**
 * Hardhat runs the compiler for each file with settings of its own and generates the code of everything that the file
 * imports. With this plugin the files that have the same settings object share a run, and a run generates only the code of
 * its own files.
 */
export const buildPlan: HardhatPlugin = {
  id: 'mooring-build-plan',
  hookHandlers: {
    config: () =>
      Promise.resolve({
        default: () =>
          Promise.resolve({
            resolveUserConfig: async (user, resolveVariable, next) => {
              const config = await next(user, resolveVariable)
              shareSettings(config, user)
              return config
            },
          }),
      }),
    solidity: () =>
      Promise.resolve({
        default: () =>
          Promise.resolve({
            build: (context, files, options, next) =>
              next(context, files, { concurrency: CONCURRENCY, ...options }),
            invokeSolc: async (context, compiler, input, settings, next) => {
              const own = (file: string) => settingsOf(context.config, file, settings)
              const code = await next(context, compiler, codeOf(input, own), settings)
              const rest = await next(context, compiler, withoutCode(input), settings)
              return merge(rest, code)
            },
          }),
      }),
  },
}

/** Makes one object of the settings that the user gave as one; Hardhat had resolved them for each file. */
function shareSettings(config: HardhatConfig, user: HardhatUserConfig): void {
  const given = overridesOf(user)
  for (const { overrides } of Object.values(config.solidity.profiles)) {
    const known = new Map<unknown, SolidityCompilerConfig>()
    for (const [file, settings] of Object.entries(overrides)) {
      const shared = known.get(given[file]) ?? settings
      known.set(given[file], shared)
      overrides[file] = shared
    }
  }
}

function overridesOf({ solidity }: HardhatUserConfig): Readonly<Record<string, unknown>> {
  return typeof solidity === 'object' && 'overrides' in solidity ? (solidity.overrides ?? {}) : {}
}

/** Whether a file of the project is compiled with these settings when it is built itself. */
function settingsOf(config: HardhatConfig, file: string, settings: SolidityCompilerConfig) {
  return Object.values(config.solidity.profiles).some(({ compilers, overrides }) =>
    file in overrides ? overrides[file] === settings : compilers.includes(settings),
  )
}

/**
 * The input for the code of some files of the project. It asks for nothing else: the compiler would generate the code of
 * every contract of a file of which anything is wanted, be it the syntax tree.
 */
export function codeOf(input: CompilerInput, has: (file: string) => boolean): CompilerInput {
  const everything = input.settings.outputSelection['*']?.['*'] ?? []
  const names = Object.keys(input.sources).filter(
    (name) => name.startsWith(PROJECT) && has(name.slice(PROJECT.length)),
  )
  const own = names.map((name) => [name, { '*': everything }] as const)
  return withSelection(input, { '*': NO_CONTRACT, ...Object.fromEntries(own) })
}

/** The input for syntax trees and interfaces, which takes a fraction of the time. */
function withoutCode(input: CompilerInput): CompilerInput {
  const files = input.settings.outputSelection['*']?.[''] ?? []
  return withSelection(input, { '*': { '': files, '*': INTERFACE } })
}

function withSelection(
  input: CompilerInput,
  outputSelection: CompilerInput['settings']['outputSelection'],
): CompilerInput {
  return { ...input, settings: { ...input.settings, outputSelection } }
}

/** One output of the two; what both warn of stands in it once. */
function merge(rest: CompilerOutput, code: CompilerOutput): CompilerOutput {
  const errors = [...(code.errors ?? []), ...(rest.errors ?? [])]
  const known = new Map(errors.map((error) => [error.formattedMessage ?? error.message, error]))
  return {
    ...rest,
    errors: [...known.values()],
    contracts: { ...rest.contracts, ...code.contracts },
  }
}
