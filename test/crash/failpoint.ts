/**
 * Places in the node at which the crash test ends it. None of them is in product code: the loader of
 * `failpoint-loader.ts` writes each into the one source file that it names as the node reads it.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { text } from '../../scripts/body.ts'

interface FailPoint {
  /** Relative to the root of the project. */
  readonly file: string
  /** Must occur exactly once, so that a change of the code is noticed. */
  readonly find: string
  readonly replace: string
}

/** `pass(name, facts)` ends the process when the point of that name is armed. */
const PASS = 'globalThis.passFailPoint'

export const FAIL_POINTS = {
  /** The call of the commit is written, no answer is read. */
  commit_sent: {
    file: 'src/ledger/store.ts',
    find: `  await connection.query({
    name: 'commit_batch',
    text: COMMIT,
    values: commitValues(batch, prevHash, hash),
  })`,
    replace: `  const sent = connection.query({
    name: 'commit_batch',
    text: COMMIT,
    values: commitValues(batch, prevHash, hash),
  })
  ${PASS}('commit_sent')
  await sent`,
  },
  /** The database answered, nobody else has heard of it. */
  committed_unacknowledged: {
    file: 'src/ledger/term.ts',
    find: 'await commitBatch(this.#options.connection, batch, prevHash, this.#hash)',
    replace: `await commitBatch(this.#options.connection, batch, prevHash, this.#hash)
      ${PASS}('committed_unacknowledged', { sequence: String(batch.header.lastSequence) })`,
  },
  /** Nonce and bytes are stored, no endpoint has seen them. */
  signed_unbroadcast: {
    file: 'src/chain/tx-driver.ts',
    find: `    const attempt = { ...signed, ...terms, kind, signedHead, ageMs: 0, sentAgoMs: undefined }`,
    replace: `    ${PASS}('signed_unbroadcast', { hash: signed.hash })
    const attempt = { ...signed, ...terms, kind, signedHead, ageMs: 0, sentAgoMs: undefined }`,
  },
  /** An endpoint took the bytes and we noted it; that the block is not mined is up to the test. */
  broadcast_unmined: {
    file: 'src/chain/tx-driver.ts',
    find: `    if (state !== request.state) this.#report(request, state, null)
    course.request = { ...request, state }`,
    replace: `    if (state === 'broadcast') ${PASS}('broadcast_unmined', { hash })
    if (state !== request.state) this.#report(request, state, null)
    course.request = { ...request, state }`,
  },
  /** Blocks and logs are written, the cursor and the news of them are not. */
  block_half_indexed: {
    file: 'src/chain/block-writer.ts',
    find: '      if (step.apply.length > 0) await insertBlocks(tx, step.apply)',
    replace: `      if (step.apply.length > 0) await insertBlocks(tx, step.apply)
      if (step.apply.some(({ logs }) => logs.length > 0)) ${PASS}('block_half_indexed')`,
  },
  /** The broker has the events, the position of the relay stands before them. */
  relay_unpositioned: {
    file: 'src/platform/events/relay.ts',
    find: '          await producer.send(stream, batch)',
    replace: `          await producer.send(stream, batch)
          ${PASS}('relay_unpositioned', { stream })`,
  },
} as const satisfies Readonly<Record<string, FailPoint>>

export type FailPointName = keyof typeof FAIL_POINTS

export const FAIL_POINT_NAMES = Object.keys(FAIL_POINTS).filter(isFailPointName)

export interface Armed {
  readonly name: string
  /** Passes to let go by. */
  readonly after: number
  /** How long the process stands still before it ends, so that others finish what it asked for. */
  readonly stallMs: number
}

/** Names the folder of the two files by which test and node meet. */
export const FOLDER_VARIABLE = 'FAILPOINT_FOLDER'

export function armedFile(folder: string): string {
  return join(folder, 'failpoint-armed.json')
}

export function hitFile(folder: string): string {
  return join(folder, 'failpoint-hit.json')
}

export function isFailPointName(name: string): name is FailPointName {
  return Object.hasOwn(FAIL_POINTS, name)
}

/** The source with its points; throws a TypeError when one of them has no place in it any more. */
export function withFailPoints(file: string, source: string): string {
  return Object.entries(FAIL_POINTS)
    .filter(([, point]) => point.file === file)
    .reduce((changed, [name, { find, replace }]) => {
      const times = source.split(find).length - 1
      if (times !== 1)
        throw new TypeError(`fail point ${name}: its anchor is ${times} times in ${file}`)
      return changed.replace(find, () => replace)
    }, source)
}

/** What the node wrote down as it met its end; undefined when it did not. */
export function takeHit(folder: string, name: FailPointName): string | undefined {
  rmSync(armedFile(folder), { force: true })
  const path = hitFile(folder)
  if (!existsSync(path)) return undefined
  const found: unknown = JSON.parse(readFileSync(path, 'utf8'))
  rmSync(path)
  return text(found, 'name') === name ? JSON.stringify(found) : undefined
}
