/** A mistake put into one place of one production file, or of the model of its SQL. */
export interface Fault {
  readonly name: string
  readonly file: string
  readonly find: string
  readonly replace: string
  /** Pattern of the name of the invariant that finds it. */
  readonly foundBy: string
}

export const FAULTS: readonly Fault[] = [
  {
    name: 'the consumer applies what its position has passed',
    file: 'src/platform/events/position.ts',
    find: `if (verdict !== 'apply') continue`,
    replace: `if (verdict === 'gap') continue`,
    foundBy: 'settlement runs while nothing differs|I7|everything comes to rest after healing',
  },
  {
    name: 'the position is not written with its effect',
    file: 'src/settlement/consumers.ts',
    find: `'command'), { position })`,
    replace: `'command'), {})`,
    foundBy: 'I7 exactly-once-effect',
  },
  {
    name: 'a nonce that was given is given again',
    file: 'src/chain/nonce.ts',
    find: 'if (latest <= own) return own',
    replace: 'if (latest <= own) return latest',
    foundBy: 'everything comes to rest after healing',
  },
  {
    name: 'a replacement takes a fresh nonce',
    file: 'src/chain/tx-driver.ts',
    find: 'request.nonce ??',
    replace: '',
    foundBy: 'a nonce belongs to one request',
  },
  {
    name: 'bytes are sent that are not stored',
    file: 'src/chain/tx-driver.ts',
    find: 'await insertAttempt(tx, { ...attempt, signer: address })',
    replace: '',
    foundBy: 'bytes are stored before they are sent',
  },
  {
    name: 'a transaction that a reorg tore off stays mined',
    file: 'src/chain/tx.ts',
    find: `return hasCancel ? 'cancelling' : 'broadcast'`,
    replace: 'return state',
    foundBy: 'everything comes to rest after healing',
  },
  {
    name: 'a shorter head is taken for a reorg',
    file: 'src/chain/reorg.ts',
    find: `return isInstanceNew ? 'fork' : 'behind'`,
    replace: `return 'fork'`,
    foundBy: 'I8 reorg-safe|everything comes to rest after healing',
  },
  {
    name: 'blocks are final one block too early',
    file: 'src/chain/finality.ts',
    find: 'return head - rule.depth',
    replace: 'return head - rule.depth + 1',
    foundBy: 'I8 reorg-safe',
  },
  {
    name: 'deposits are credited at first sight',
    file: 'src/ledger/chain-fold.ts',
    find: `noteDeposit(books, 'incoming', block, event)`,
    replace: 'settleDeposit(books, block, event)',
    foundBy: 'I8 reorg-safe',
  },
  {
    name: 'netting leaves out the fees',
    file: 'src/settlement/netting.ts',
    find: `if (!isInternal(transfer)) return
    assert(`,
    replace: `if (!isInternal(transfer) || transfer.code === 'fee') return
    assert(`,
    foundBy: 'I4 sum-zero',
  },
  {
    name: 'the next range begins with the end of the last one',
    file: 'src/settlement/service.ts',
    find: 'await store.setCovered(tx, range.lastSequence)',
    replace: 'await store.setCovered(tx, range.lastSequence - 1n)',
    foundBy: 'I4 sum-zero',
  },
  {
    name: 'a withdrawal is sent before its hold is settled',
    file: 'src/settlement/settler.ts',
    find: 'await store.readSettledSequence(tx)',
    replace: '(await store.readState(tx)).coveredSequence',
    foundBy: 'withdrawals wait until their hold is settled',
  },
  {
    name: 'commands are answered before their commit',
    file: 'src/ledger/term.ts',
    find: 'await commitBatch(',
    replace: 'void commitBatch(',
    foundBy: 'I1 durable-ack',
  },
  {
    name: 'a batch is taken without looking at the fence',
    file: 'test/simulation/statements-ledger.ts',
    find: `requireEpoch(view, 'engine', epoch)`,
    replace: '',
    foundBy: 'I2 one-writer',
  },
  {
    name: 'a worker writes without looking at the fence',
    file: 'src/platform/leader.ts',
    find: 'export async function requireEpoch(tx: Tx, role: LeaderRole, epoch: bigint): Promise<void> {',
    replace: 'export async function requireEpoch(): Promise<void> { return',
    foundBy: 'a worker writes only while it leads',
  },
  {
    name: 'the relay does not go back for what a topic lost',
    file: 'src/platform/events/relay.ts',
    find: 'this.#readers.get(stream)?.goBack()',
    replace: '',
    foundBy: 'everything comes to rest after healing',
  },
  {
    name: 'a reader passes over a gap and asks nobody',
    file: 'src/platform/events/gap.ts',
    find: `return { step: 'ask', memory`,
    replace: `return { step: 'pass', memory`,
    foundBy: 'everything comes to rest after healing',
  },
  {
    name: 'a payment to oneself counts as the transaction',
    file: 'src/chain/tx.ts',
    find: `return sighting.isFinal ? 'cancelled' : 'cancelling'`,
    replace: `return sighting.isFinal ? 'final' : 'cancelling'`,
    foundBy: 'a transaction ended as the node says|everything comes to rest after healing',
  },
  {
    name: 'a transaction is cancelled at the first sight of the payment to oneself',
    file: 'src/chain/tx.ts',
    find: `return sighting.isFinal ? 'cancelled' : 'cancelling'`,
    replace: `return 'cancelled'`,
    foundBy: 'a nonce is given up only when it is used for good',
  },
  {
    name: 'a withdrawal whose transaction was cancelled keeps its hold',
    file: 'src/payments/withdrawal.ts',
    find: `['reverted', 'rejected', 'cancelled']`,
    replace: `['reverted', 'rejected']`,
    foundBy: 'everything comes to rest after healing',
  },
  {
    name: 'a supply change stays open when its batch is abandoned',
    file: 'src/settlement/settler.ts',
    find: 'if (open.supply !== null) await',
    replace: 'if (open.supply === null) await',
    foundBy: 'everything comes to rest after healing',
  },
  {
    name: 'a resumed settlement sends nothing again',
    file: 'src/settlement/service.ts',
    find: 'await this.#sendAgain(tx)',
    replace: '',
    foundBy: 'everything comes to rest after healing',
  },
  {
    name: 'a resumed settlement asks for the transaction that failed',
    file: 'src/settlement/service.ts',
    find: 'batchTxKey(failed.id, failed.attempt + 1)',
    replace: 'batchTxKey(failed.id, 1)',
    foundBy: 'everything comes to rest after healing',
  },
  {
    name: 'what was mined in vain counts as done',
    file: 'src/chain/tx.ts',
    find: `return sighting.status === 1 ? 'final' : 'reverted'`,
    replace: `return 'final'`,
    foundBy: 'a transaction ended as the node says|everything comes to rest after healing',
  },
  {
    name: 'nobody hears of a nonce that was used by hand',
    file: 'src/chain/tx-step.ts',
    find: 'if (attempt.externalLooks >= EXTERNAL_LOOKS) {',
    replace: 'if (attempt.externalLooks === Infinity) {',
    foundBy: 'everything comes to rest after healing',
  },
  {
    name: 'a resumed transaction keeps the nonce that was used by hand',
    file: 'src/chain/tx-driver.ts',
    find: 'await loseNonce(tx, request.id)',
    replace: '',
    foundBy: 'everything comes to rest after healing',
  },
]

/** Undefined without a name; throws for a name that is not in the list. */
export function findFault(name: string | undefined): Fault | undefined {
  if (name === undefined || name === '') return undefined
  const found = FAULTS.find((fault) => fault.name === name)
  if (found === undefined) throw new TypeError(`no fault ${name}`)
  return found
}
