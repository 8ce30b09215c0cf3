import { isJsonObject, parseJson } from '#kernel/json.ts'
import { deployErrors } from '../contracts/errors.ts'
import { readEvents } from './event-log.ts'
import { contractOf, readView } from './operation.ts'
import type { Operation } from './operation.ts'

/** Where the node answers, and a token that may read settlements. */
export interface NodeAccess {
  readonly api: string
  readonly token: string
}

/**
 * Compares every batch that the chain settled with what the node says of it. The chain may be ahead of the node by what the
 * node has sent, never behind, and never by a batch that the node did not make: somebody else has the settler's key. Throws `deploy.node_disagrees` with the first difference, `deploy.node_unreachable`.
 */
export async function verifyHead(operation: Operation, node: NodeAccess): Promise<number> {
  const vault = contractOf(operation, 'ClearingHouse')
  const onChain = await settledHeads(operation)
  const head = String(await readView(vault, 'head'))
  const sequence = Number(await readView(vault, 'sequence'))
  if (sequence !== 0 && onChain.get(sequence) !== head)
    throw deployErrors.node_disagrees(`the last event is not of head ${head}`)
  const { known, sent } = await nodeHeads(node)
  for (const [number, theirs] of known) {
    const ours = onChain.get(number)
    if (ours !== theirs)
      throw deployErrors.node_disagrees(
        `batch ${number}: node ${theirs}, chain ${ours ?? 'does not have it'}`,
      )
  }
  const unknown = [...onChain.keys()].filter((number) => !known.has(number))
  const foreign = unknown.filter((number) => !sent.has(onChain.get(number) ?? ''))
  if (foreign.length > 0)
    throw deployErrors.node_disagrees(
      `the node did not make what is on chain: ${foreign.join(', ')}`,
    )
  operation.report(`head ${head} after batch ${sequence}`)
  operation.report(`${known.size} batches are the same on the node and on the chain`)
  if (unknown.length > 0) operation.report(`the node has not seen: ${unknown.join(', ')}`)
  return known.size
}

async function settledHeads(operation: Operation): Promise<ReadonlyMap<number, string>> {
  const vault = contractOf(operation, 'ClearingHouse')
  const logs = await readEvents(operation, vault, 'BatchSettled')
  return new Map(
    logs.map(({ topics, data }) => [Number(topics[1] ?? '0x0'), data.slice(0, 66).toLowerCase()]),
  )
}

interface NodeHeads {
  /** By sequence, of what the node believes to be in a block. */
  readonly known: ReadonlyMap<number, string>
  readonly sent: ReadonlySet<string>
}

async function nodeHeads(node: NodeAccess): Promise<NodeHeads> {
  const known = new Map<number, string>()
  const sent = new Set<string>()
  let cursor: string | undefined = ''
  while (cursor !== undefined) {
    const page: Record<string, unknown> = await fetchPage(node, cursor)
    const rows = page['data']
    if (!Array.isArray(rows)) throw deployErrors.node_unreachable(`${node.api} sent no page`)
    for (const row of rows) {
      if (!isJsonObject(row)) continue
      const head = String(row['head']).toLowerCase()
      if (MINED.includes(String(row['status']))) known.set(Number(row['sequence']), head)
      if (row['status'] === 'submitted') sent.add(head)
    }
    const next = page['next_cursor']
    cursor = typeof next === 'string' ? next : undefined
  }
  return { known, sent }
}

const MINED: readonly string[] = ['mined', 'final']

async function fetchPage(
  { api, token }: NodeAccess,
  cursor: string,
): Promise<Record<string, unknown>> {
  const query = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`
  const response = await fetch(`${api}/v1/settlements?limit=200${query}`, {
    headers: { authorization: `Bearer ${token}` },
  }).catch(() => undefined)
  if (response === undefined || !response.ok)
    throw deployErrors.node_unreachable(`${api}: ${response?.status ?? 'no answer'}`)
  const page = parseJson(await response.text())
  if (!isJsonObject(page)) throw deployErrors.node_unreachable(`${api} sent no page`)
  return page
}
