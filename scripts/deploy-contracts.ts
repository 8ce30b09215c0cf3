import { network } from 'hardhat'
import { present } from '#kernel/assert.ts'
import { fileURLToPath } from 'node:url'
import { readDeployment, writeDeployment } from '../deploy/contracts/addresses-file.ts'
import { readArtifact } from '../deploy/contracts/artifact.ts'
import { deployMooring } from '../deploy/contracts/deployment.ts'
import { settingsFrom } from '../deploy/contracts/settings.ts'

/** `npm run hardhat -- run scripts/deploy-contracts.ts --network <name>`; variables: contracts/README.md. */
async function main(): Promise<void> {
  const { ethers } = await network.create()
  const signer = present((await ethers.getSigners())[0], 'a deployer account of this network')
  const { chainId } = await ethers.provider.getNetwork()
  const file = new URL(`../deploy/addresses/${chainId}.json`, import.meta.url)
  const path = process.env['MOORING_ADDRESSES'] ?? fileURLToPath(file)

  const report = (line: string): void => void process.stdout.write(`${line}\n`)
  const deployment = await deployMooring({
    signer,
    artifacts: readArtifact,
    settings: settingsFrom(process.env),
    existing: readDeployment(path),
    report,
  })
  if (deployment.created.length > 0) writeDeployment(path, deployment)
  report(`addresses: ${path}`)
}

await main()
