import { present } from '#kernel/assert.ts'
import { fileURLToPath } from 'node:url'
import { readDeployment, writeDeployment } from '../deploy/contracts/addresses-file.ts'
import { readArtifact } from '../deploy/contracts/artifact.ts'
import { deployMooring } from '../deploy/contracts/deployment.ts'
import { deployErrors } from '../deploy/contracts/errors.ts'
import { settingsFrom } from '../deploy/contracts/settings.ts'
import { connect, orSayWhy, variable } from './operations/session.ts'

/** `npm run hardhat -- run scripts/deploy-contracts.ts --network <name>`; variables: contracts/OPERATIONS.md. */
async function main(): Promise<void> {
  const { ethers } = await connect()
  const signer = present((await ethers.getSigners())[0], 'a deployer account of this network')
  const { chainId } = await ethers.provider.getNetwork()
  const file = new URL(`../deploy/addresses/${chainId}.json`, import.meta.url)
  const path = process.env['MOORING_ADDRESSES'] ?? fileURLToPath(file)

  const isDryRun = variable('MOORING_DRY_RUN') !== undefined
  const report = (line: string): void => void process.stdout.write(`${line}\n`)
  const deployment = await deployMooring({
    signer,
    artifacts: readArtifact,
    settings: settingsFrom(process.env),
    existing: readDeployment(path),
    report,
    isDryRun,
  })
  if (deployment.created.length > 0) writeDeployment(path, deployment)
  report(isDryRun ? 'dry run: nothing was sent' : `addresses: ${path}`)
  const { created, differences } = deployment
  if (created.length > 0 && differences.length > 0)
    throw deployErrors.guards_differ(differences.join('; '))
}

await orSayWhy(main)
