import { contractNames, readArtifact } from '../deploy/contracts/artifact.ts'
import { writeFileSync } from 'node:fs'

/** Files that are written from other files; the house test checks that they are fresh. */
const generators: readonly { readonly path: string; readonly text: () => string }[] = [
  { path: 'src/chain/contracts/abi.json', text: contractAbis },
]

function contractAbis(): string {
  const abis = Object.fromEntries(contractNames().map((name) => [name, readArtifact(name).abi]))
  return `${JSON.stringify(abis, null, 2)}\n`
}

for (const { path, text } of generators) {
  writeFileSync(new URL(`../${path}`, import.meta.url), text())
  process.stdout.write(`${path}\n`)
}
