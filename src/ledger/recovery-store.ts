import { parseJson } from '#kernel/json.ts'
import { readRecentKeys } from '#platform/db/idempotency.ts'
import { sha256 } from '#platform/crypto.ts'
import type { Database, Db } from '#platform/db/pool.ts'
import { inSnapshot } from '#platform/db/transaction.ts'
import { readInstance } from '#platform/instance.ts'
import { claimOfKey } from './claim.ts'
import { commandsOf } from './batch.ts'
import { LedgerCore } from './core.ts'
import { ledgerErrors } from './errors.ts'
import type { JournalBatch, JournalHead } from './journal.ts'
import { readJournal } from './journal-store.ts'
import type { ReducerSource } from './reducer.ts'
import { batchHash, loadBooks, readHead } from './store.ts'

export interface Recovered {
  readonly core: LedgerCore
  readonly head: JournalHead
  /** Names that commands of the last minutes claim. */
  readonly claims: readonly string[]
}

/** The core as the tables have it, read in one snapshot. */
export async function recoverCore(database: Database, source: ReducerSource): Promise<Recovered> {
  return inSnapshot(database, async (tx) => ({
    head: await readHead(tx),
    core: new LedgerCore(await source.load(tx), await loadBooks(tx)),
    claims: [...(await readRecentKeys(tx)).map(claimOfKey), ...(await source.recentClaims(tx))],
  }))
}

/** SHA-256 of the whole state, in hex. */
function stateHash(core: LedgerCore): string {
  return sha256(core.stateText()).toString('hex')
}

export interface Verification {
  readonly batches: number
  readonly sequence: bigint
  /** Of the journal's last batch. */
  readonly hash: Buffer
  /** Hash of the state that replaying the journal from its first command gives. */
  readonly replayedHash: string
  /** Hash of the state that the tables hold. */
  readonly storedHash: string
  readonly equal: boolean
}

const PAGE = 500

/**
 * Recomputes the hash chain and folds every journalled command from the first one, in the snapshot
 * that the tables are compared in. Throws `ledger.journal_broken` where chain or outcome differ.
 */
export async function verifyJournal(
  database: Database,
  source: ReducerSource,
): Promise<Verification> {
  return inSnapshot(database, async (tx) => verifyJournalIn(tx, source))
}

/** The same in a transaction of the caller's, which sees one state of the tables. */
export async function verifyJournalIn(tx: Db, source: ReducerSource): Promise<Verification> {
  const replayed = new LedgerCore(source.fresh())
  let place = { sequence: 0n, hash: sha256((await readInstance(tx)).id) }
  let batches = 0
  for (;;) {
    const page = await readJournal(tx, place.sequence + 1n, PAGE)
    for (const batch of page) place = replayBatch(replayed, batch, place)
    if (page.length === 0) break
    batches += page.length
  }
  const stored = new LedgerCore(await source.load(tx), await loadBooks(tx))
  const replayedHash = stateHash(replayed)
  const storedHash = stateHash(stored)
  const equal = replayedHash === storedHash
  return { batches, ...place, replayedHash, storedHash, equal }
}

interface Place {
  readonly sequence: bigint
  readonly hash: Buffer
}

function replayBatch(core: LedgerCore, batch: JournalBatch, place: Place): Place {
  const { firstSequence, lastSequence, prevHash, hash, body } = batch
  const chained =
    firstSequence === place.sequence + 1n &&
    prevHash.equals(place.hash) &&
    batchHash(prevHash, body).equals(hash)
  if (!chained) throw ledgerErrors.journal_broken(`batch ${firstSequence} is not chained`)
  const commands = commandsOf(parseJson(body))
  if (BigInt(commands.length) !== lastSequence - firstSequence + 1n)
    throw ledgerErrors.journal_broken(`batch ${firstSequence} lacks commands`)
  for (const { sequence, command, refused } of commands) {
    const outcome = core.apply(sequence, batch.at, command)
    if ((outcome.ok ? null : outcome.error.code) !== refused)
      throw ledgerErrors.journal_broken(`command ${sequence} came to something else`)
  }
  core.takeChanges()
  return { sequence: lastSequence, hash }
}
