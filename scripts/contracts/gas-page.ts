import type { GasFigure } from './gas-figures.ts'

const HEAD = `# Gas

Written by \`npm run test:contracts:gas\`; \`test/contracts/gas.test.ts\` fails when it is not what a fresh chain says.
Receipts of one run: Osaka rules, the compiler settings of the deployment, every check on: each batch with two of three
attestations and an hourly turnover cap on every asset in it, unless it says so. The second of two equal calls, so that
no word is new unless it says so. The column "times ERC-20" is against a plain OpenZeppelin ERC-20 transfer in the same
run. Budgets are those of the design, peers as published or measured by others.
`

const NOTE = `
A deposit into a new word pays 78,680 by the price list of the EVM before anything is computed: 21,000 for the
transaction and 368 for its calldata, 22,100 for the word, 20,000 for the four others that change (book, allowance, two
token balances), 8,400 for four that are read (pause, wallet, flags, class rule), 2,600 for the token's address, 400 for
warm calls and reads, 300 for the reentrancy guard, 3,512 for two events. OpenZeppelin's ERC-20 computes for 1,948 more.
Of the budget that leaves 1,372 for all that the vault computes.

A delta of twelve digits passes its budget by calldata alone: its five bytes and, for every second one, the byte that
says credit are no longer zero, which costs 66 at 12 a byte; what the vault computes for a delta is less than 2. The
batches of 200 deltas move amounts of one byte; with twelve digits in every delta such a batch costs 9,600 more, which
its budget still covers.
`

/** The page contracts/GAS.md. */
export function gasPage(figures: readonly GasFigure[]): string {
  const plain = figures.find(({ name }) => name.startsWith('plain'))?.gas ?? Number.NaN
  const rows = figures.map(({ name, gas, budget, peers }) => [
    name,
    number(gas),
    (gas / plain).toFixed(2),
    budget === undefined ? '' : number(budget),
    budget === undefined ? '' : gas <= budget ? 'yes' : 'no',
    peers ?? '',
  ])
  const header = ['', 'gas', 'times ERC-20', 'budget', 'kept', 'peers']
  return `${HEAD}\n${table(header, rows)}${NOTE}`
}

/** As Prettier aligns it. */
function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) =>
    Math.max(3, title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  )
  const isRight = (column: number): boolean => column > 0 && column < 4
  const line = (cells: readonly string[]): string =>
    `| ${cells
      .map((cell, column) => {
        const width = widths[column] ?? 0
        return isRight(column) ? cell.padStart(width) : cell.padEnd(width)
      })
      .join(' | ')} |\n`
  const rule = widths.map((width, column) =>
    isRight(column) ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width),
  )
  return line(header) + line(rule) + rows.map(line).join('')
}

function number(gas: number): string {
  return new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 }).format(gas)
}
