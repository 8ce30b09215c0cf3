import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { measureGas } from '../../scripts/contracts/gas-figures.ts'
import { gasPage } from '../../scripts/contracts/gas-page.ts'

test('contracts/GAS.md says what a fresh chain says; npm run test:contracts:gas writes it', async () => {
  const page = readFileSync(new URL('../../contracts/GAS.md', import.meta.url), 'utf8')
  expect(page).toBe(gasPage(await measureGas()))
}, 120_000)
