import { SandboxChain } from '#app/sandbox/chain.ts'

// A process of its own for tests that kill the parent: starts the chain of the folder given, prints
// what `start` answered, then each change of `durableBlock`.
const [home = '', depth = '2'] = process.argv.slice(2)
const chain = new SandboxChain({
  home,
  port: 0,
  finalityDepth: Number(depth),
  log: (line) => process.stderr.write(`${line}\n`),
})
process.stdout.write(`${JSON.stringify(await chain.start())}\n`)
let told = -1
setInterval(() => {
  if (chain.durableBlock() === told) return
  told = chain.durableBlock()
  process.stdout.write(`${told}\n`)
}, 2)
