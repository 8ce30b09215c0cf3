import { defineConfig } from 'hardhat/config'
import project, { compiler } from '../../hardhat.config.ts'
import { buildPlan } from './build-plan.ts'

const RUNS = 64
const CALLS_A_RUN = 50

/** For the marked copy: nothing optimized away, no marks of Hardhat's own, and as many runs as reach everything. */
export default defineConfig({
  ...project,
  plugins: [buildPlan],
  tasks: [],
  coverage: { skipFiles: ['**'] },
  solidity: { compilers: [compiler({})] },
  test: {
    solidity: {
      fuzz: { runs: RUNS },
      invariant: { runs: Math.ceil(RUNS / 8), depth: CALLS_A_RUN },
    },
  },
})
