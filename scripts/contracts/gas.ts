import { writeFileSync } from 'node:fs'
import { measureGas } from './gas-figures.ts'
import { gasPage } from './gas-page.ts'

const page = gasPage(await measureGas())
writeFileSync(new URL('../../contracts/GAS.md', import.meta.url), page)
process.stdout.write(page)
