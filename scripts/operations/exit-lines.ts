import { isCovered, type Drill } from '../../deploy/operations/exit-drill.ts'
import { tableLines } from '../table.ts'

/** A drill as an operator reads it: what each wallet takes, then the totals of each asset, then the verdict. */
export function exitLines(drill: Drill): readonly string[] {
  const { exitModeRefusal, covers, accounts, exits } = drill
  const exitMode =
    exitModeRefusal === undefined ? 'anybody may enter it now' : `not now, ${exitModeRefusal}`
  const lines = [`exit mode: ${exitMode}`]
  if (covers.length === 0) return [...lines, 'no asset is listed']
  lines.push(...(exits.length === 0 ? [emptyLine(accounts)] : exitTable(drill)))
  return [...lines, '', ...coverTable(drill), '', verdictOf(drill)]
}

function emptyLine(accounts: number): string {
  const who =
    accounts === 0 ? 'no account is registered' : `none of ${accounts} accounts has a balance`
  return `${who}: nobody has anything to take out`
}

function exitTable({ exits }: Drill): readonly string[] {
  const rows = exits.flatMap(({ account, wallet, lanes, refusal }) =>
    lanes.map(({ asset, amountAtoms }) => [
      `${account}`,
      wallet,
      `${asset}`,
      `${amountAtoms}`,
      refusal === undefined ? 'would pay now' : `not now: ${refusal}`,
    ]),
  )
  return tableLines(['account', 'wallet', 'asset', 'atoms', 'executeExit'], rows)
}

function coverTable({ exits, covers }: Drill): readonly string[] {
  const lanes = exits.flatMap((exit) => exit.lanes)
  const rows = covers.map((cover) => {
    const mine = lanes.filter(({ asset }) => asset === cover.asset)
    const ofWallets = mine.reduce((sum, { amountAtoms }) => sum + amountAtoms, 0n)
    const { asset, totalAtoms, scale, held } = cover
    const figures = [asset, ofWallets, totalAtoms - ofWallets, totalAtoms, scale, held]
    return [...figures.map(String), isCovered(cover) ? 'yes' : 'NO']
  })
  const header = ['asset', 'of wallets', 'others', 'all atoms', 'scale', 'vault units', 'covered']
  return tableLines(header, rows)
}

function verdictOf({ accounts, exits, uncovered }: Drill): string {
  const cover =
    uncovered.length === 0
      ? 'every asset is covered by the vault'
      : `NOT COVERED by the vault: assets ${uncovered.join(', ')}`
  return `${exits.length} of ${accounts} accounts have a balance, ${cover}`
}
