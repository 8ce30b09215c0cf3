import { parseArgs, styleText } from 'node:util'
import { at, rows, show, text, type Body } from './body.ts'
import { Chain } from './audit/chain.ts'
import { JournalReader, type Journal } from './audit/journal.ts'
import { Lanes } from './audit/lanes.ts'
import { Suite, type SuiteHistory } from './audit/suite.ts'
import { Vault, type SettledBatch, type VaultHistory } from './audit/vault.ts'
import { readSandbox, requireReady, ScriptFailure, userOf } from './sandbox-access.ts'
import { short, tableLines } from './table.ts'

const HELP = `Recomputes what a node claims, from its API and the chain alone.

  npm run audit                                          the running sandbox
  npm run audit -- --sandbox <file>                      another sandbox
  npm run audit -- --api <url> --rpc <url> --key <key>   any node; the key is an auditor's

Journal hashes from the stored text, the head from the calldata of every settlement, the netting of
every batch from the journal, every lane from calldata and events (deposits, withdrawals, exits), every
supply and every freeze from events. Exit 1 when anything differs.`

interface Target {
  readonly api: string
  readonly rpc: string
  readonly key: string
}

function readTarget(): Target | undefined {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean' },
      sandbox: { type: 'string' },
      api: { type: 'string' },
      rpc: { type: 'string' },
      key: { type: 'string' },
    },
  })
  if (values.help === true) return undefined
  const { api, rpc, key } = values
  if (api !== undefined && rpc !== undefined && key !== undefined) return { api, rpc, key }
  const sandbox = readSandbox(values.sandbox)
  return {
    api: api ?? sandbox.api,
    rpc: rpc ?? sandbox.rpc,
    key: key ?? text(userOf(sandbox, 'auditor'), 'api_key'),
  }
}

async function get({ api, key }: Target, path: string): Promise<Body> {
  const response = await fetch(`${api}${path}`, { headers: { authorization: `Bearer ${key}` } })
  const body: unknown = await response.json()
  if (!response.ok)
    throw new ScriptFailure(`GET ${path} answered ${response.status} ${String(at(body, 'code'))}`)
  return { ...(body as Body) }
}

async function readJournal(target: Target): Promise<Journal> {
  const head = await get(target, '/v1/journal/head')
  const reader = new JournalReader()
  let from: string | undefined = '1'
  while (from !== undefined) {
    const page: Body = await get(target, `/v1/journal?from=${from}`)
    for (const row of rows(page, 'data')) reader.add(row)
    const next = at(page, 'next_from')
    from = next === null || next === undefined || next === from ? undefined : show(next)
    if (rows(page, 'data').length === 0) from = undefined
  }
  return reader.finish(head)
}

interface BatchCheck {
  readonly batch: SettledBatch
  readonly transfers: number
  readonly faults: readonly string[]
}

/** Nets the journal again: a trade batch is every netted transfer since the one before it. */
function checkNetting(journal: Journal, history: VaultHistory): readonly BatchCheck[] {
  const anchors = new Map(
    journal.batches.map(({ hash, lastSequence }) => [`0x${hash}`, lastSequence]),
  )
  let covered = 0n
  return history.batches.map((batch): BatchCheck => {
    const anchor = anchors.get(batch.journalHash)
    const name = `batch ${batch.sequence}`
    if (anchor === undefined)
      return {
        batch,
        transfers: 0,
        faults: [`${name} anchors a hash that the journal does not have`],
      }
    if (batch.kind !== 'trade') return { batch, transfers: 0, faults: [] }
    const range = journal.movements.filter(
      ({ sequence }) => sequence > covered && sequence <= anchor,
    )
    const net = new Lanes()
    for (const { debit, credit, asset, amount } of range) {
      net.add(debit, asset, -amount)
      net.add(credit, asset, amount)
    }
    covered = anchor
    const faults = net
      .differences(batch.deltas)
      .map((pair) => `${name}: account/asset ${pair} was not settled as the journal nets`)
    return { batch, transfers: range.length, faults }
  })
}

function report(
  journal: Journal,
  history: VaultHistory,
  suite: SuiteHistory,
  checks: readonly BatchCheck[],
): readonly string[] {
  const say = (line = ''): void => void process.stdout.write(`${line}\n`)
  const lanes = [...history.lanes.entries()]
  say(styleText('bold', 'Batches, from the calldata of their transactions'))
  const header = ['batch', 'kind', 'head', 'transfers', 'deltas', 'transaction', 'verdict']
  const batches = checks.map(({ batch, transfers, faults }) => [
    String(batch.sequence),
    batch.kind,
    short(batch.head),
    String(transfers),
    String([...batch.deltas.entries()].length),
    short(batch.txHash),
    faults.length === 0 ? 'equal' : 'DIFFERS',
  ])
  for (const line of tableLines(header, batches)) say(line)
  say()
  say(styleText('bold', `Recomputed as of block ${history.block}`))
  const faults = [journal, history, suite, ...checks].flatMap((part) => part.faults)
  say(`journal    ${journal.batches.length} batches, ${journal.movements.length} netted transfers`)
  say(
    `chain      ${history.batches.length} batches, ${history.deposits} deposits, ${history.withdrawals} withdrawals, ${history.exits} lanes taken by exits`,
  )
  if (history.isEnded) say('settlement ended for good: exit mode')
  say(`lanes      ${lanes.length}, each compared with ClearingHouse.balanceOf`)
  say(`supply     ${suite.supplies.size} assets, ${suite.redemptions} redemptions`)
  say(`frozen     ${suite.frozen.length === 0 ? 'nobody' : `accounts ${suite.frozen.join(', ')}`}`)
  return faults
}

/** Returns the exit code. */
async function main(): Promise<number> {
  const target = readTarget()
  if (target === undefined) {
    process.stdout.write(`${HELP}\n`)
    return 0
  }
  await requireReady(target.api)
  const contracts = await get(target, '/v1/contracts')
  const address = (name: string): string => text(contracts, 'contracts', name, 'address')
  const addresses = {
    vault: address('ClearingHouse'),
    investors: address('InvestorRegistry'),
    assets: address('AssetRegistry'),
    supply: address('SupplyController'),
  }
  const chain = new Chain(target.rpc)
  // The chain first: what it anchors must then be in the journal.
  const history = await new Vault(chain, addresses.vault).read()
  const suite = await new Suite(chain, addresses, history.block).read()
  const journal = await readJournal(target)
  const faults = report(journal, history, suite, checkNetting(journal, history))
  for (const fault of faults) process.stderr.write(`${styleText('red', '✗')} ${fault}\n`)
  const verdict =
    faults.length === 0 ? styleText('green', 'everything equal') : `${faults.length} differences`
  process.stdout.write(`verdict    ${verdict}\n`)
  return faults.length === 0 ? 0 : 1
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(
    `${styleText('red', '✗')} ${error instanceof Error ? error.message : String(error)}\n`,
  )
  process.exitCode = 1
}
