import { randomBytes } from 'node:crypto'
import { parseArgs, styleText } from 'node:util'
import { at, integer, rows, show, text, type Body } from './body.ts'
import { Story, type Ending, type ToldTrade } from './demo/story.ts'
import { Teller } from './demo/teller.ts'
import { readSandbox, requireReady } from './sandbox-access.ts'
import { short, tableLines } from './table.ts'

const HELP = `Tells the whole story against the running sandbox: a new user joins and pays in, an asset is
issued, traded, settled on chain and withdrawn to a wallet. HTTP and signed wallet transactions only.

  npm run demo                        the sandbox of MOORING_HOME (.mooring)
  npm run demo -- --sandbox <file>    another sandbox.json

Exit 1 when anything fails or ledger and chain differ.`

function printTrades(teller: Teller, { trades }: Ending): void {
  teller.say()
  teller.title('Every trade, from order to transaction')
  const header = ['trade', 'quantity', 'price', 'batch', 'transaction']
  const [heading = '', ...lines] = tableLines(
    header,
    trades.map(({ trade }) => [
      text(trade, 'id'),
      text(trade, 'quantity'),
      text(trade, 'price'),
      tail(text(trade, 'settlement', 'id')),
      short(text(trade, 'settlement', 'tx_hash')),
    ]),
  )
  teller.say(`   ${heading}`)
  trades.forEach((told, place) => {
    teller.say(`   ${lines[place] ?? ''}`)
    for (const line of detailLines(told)) teller.say(styleText('dim', `      ${line}`))
  })
}

/** Where the trade comes from and where it went, in full, to be looked up. */
function detailLines({ trade, buyOrder, sellOrder }: ToldTrade): readonly string[] {
  const [batch, hash] = [text(trade, 'settlement', 'id'), text(trade, 'settlement', 'tx_hash')]
  return [
    `orders   buy ${buyOrder}  sell ${sellOrder}`,
    ...rows(trade, 'transfers').map(legText),
    `settled  ${batch}  ${hash}`,
  ]
}

function legText(leg: Body): string {
  const [debit, credit] = [text(leg, 'debit'), text(leg, 'credit')]
  const amount = `${text(leg, 'amount')} ${text(leg, 'asset')}`
  const place = `${integer(leg, 'sequence')}.${String(at(leg, 'index'))}`
  return `leg      ${place}  account ${debit} → ${credit}  ${amount}  ${text(leg, 'code')}`
}

/** An id by its kind and last characters: UUIDs of one moment begin alike. */
function tail(id: string): string {
  return `${id.slice(0, 4)}…${id.slice(-6)}`
}

function printReconciliation(teller: Teller, { reconciliation }: Ending): boolean {
  teller.say()
  teller.title(`Ledger and chain as of final block ${blockText(reconciliation)}`)
  const figures = rows(reconciliation, 'assets')
  const header = ['asset', 'ledger', 'chain', 'difference', 'supply ledger', 'supply chain']
  const cell = (value: unknown): string =>
    value === null || value === undefined ? '–' : show(value)
  const body = figures.map((row) => [
    cell(row['asset']),
    cell(row['ledger']),
    cell(row['chain']),
    cell(row['difference']),
    cell(row['supply_ledger']),
    cell(row['supply_chain']),
  ])
  for (const line of tableLines(header, body)) teller.say(`   ${line}`)
  for (const difference of rows(reconciliation, 'differences'))
    teller.say(styleText('red', `   differs: ${JSON.stringify(difference)}`))
  const isZero = figures.every((row) => Number(row['difference']) === 0)
  return isZero && rows(reconciliation, 'differences').length === 0
}

function blockText(reconciliation: Body): string {
  return String(reconciliation['block'])
}

/** Returns the exit code. */
async function main(): Promise<number> {
  const options = { help: { type: 'boolean' }, sandbox: { type: 'string' } } as const
  const { values } = parseArgs({ options })
  if (values.help === true) {
    process.stdout.write(`${HELP}\n`)
    return 0
  }
  const sandbox = readSandbox(values.sandbox)
  await requireReady(sandbox.api)
  const teller = new Teller()
  const run = randomBytes(3).toString('hex').slice(0, 4).toUpperCase()
  teller.title(`Mooring, the whole story, on ${sandbox.api}`)
  const ending = await new Story(sandbox, teller, run).tell()
  printTrades(teller, ending)
  const isEqual = printReconciliation(teller, ending)
  const isSettled = ending.trades.length > 0
  teller.say()
  teller.say(
    isEqual && isSettled
      ? styleText(
          'green',
          `Every difference is 0. Next: ${sandbox.api}/docs, or \`npm run audit\`.`,
        )
      : styleText('red', 'Ledger and chain differ.'),
  )
  return isEqual && isSettled ? 0 : 1
}

try {
  process.exitCode = await main()
} catch (error) {
  const reason = error instanceof Error ? error.message : String(error)
  process.stderr.write(`${styleText('red', '✗', { stream: process.stderr })} ${reason}\n`)
  process.exitCode = 1
}
