import { enableCompileCache } from 'node:module'

// Halves the time to start: stripped types and compiled code are kept between runs.
enableCompileCache()
const { runCli } = await import('#app/cli.ts')
process.exitCode = await runCli(process.argv.slice(2))
