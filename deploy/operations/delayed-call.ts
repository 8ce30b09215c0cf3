import { readEach } from './parallel-reads.ts'
import { contractOf, interfaceAt, nameOf, readView, refusalOf } from './operation.ts'
import { readEvents } from './event-log.ts'
import { deployErrors } from '../contracts/errors.ts'
import type { EventLog, Log } from 'ethers'
import type { Call, Operation } from './operation.ts'

export type Outcome = 'done' | 'scheduled' | 'waiting'

/** An operation that waits for its delay, or for somebody to make it. */
export interface Scheduled {
  readonly id: string
  readonly caller: string
  readonly target: string
  readonly data: string
  /** From when it may be made, Unix seconds. */
  readonly dueAt: number
  /** When it lapses, Unix seconds. */
  readonly lapsesAt: number
}

const WEEK_SECONDS = 604_800

/**
 * Makes a call: at once where the signer's role has no delay or the delay has passed, else by scheduling it first; run it
 * again later to make it. Throws `deploy.operation_refused` when the signer may not, or the call itself reverts.
 */
export async function performCall(operation: Operation, call: Call): Promise<Outcome> {
  const authority = contractOf(operation, 'Authority')
  const caller = await operation.signer.getAddress()
  const refusal = await refusalOf(operation, call, caller)
  if (refusal === undefined) {
    await send(operation, call)
    return 'done'
  }
  const id = String(await readView(authority, 'hashOperation', caller, call.target, call.data))
  const dueAt = Number(await readView(authority, 'getSchedule', id))
  if (dueAt !== 0) {
    operation.report(`${call.title}: scheduled as ${id}, can be made from ${timeOf(dueAt)}`)
    return 'waiting'
  }
  await schedule(operation, call, { id, caller, refusal })
  return 'scheduled'
}

async function schedule(
  operation: Operation,
  call: Call,
  { id, caller, refusal }: { id: string; caller: string; refusal: string },
): Promise<void> {
  const authority = contractOf(operation, 'Authority')
  const data = authority.interface.encodeFunctionData('schedule', [call.target, call.data, 0])
  const target = await authority.getAddress()
  const request = { target, data, title: `schedule: ${call.title}` }
  if ((await refusalOf(operation, request, caller)) !== undefined)
    throw deployErrors.operation_refused(`${call.title}: ${refusal}`)
  await send(operation, request)
  if (operation.isDryRun) return
  const dueAt = Number(await readView(authority, 'getSchedule', id))
  operation.report(`${call.title}: scheduled as ${id}, run this again from ${timeOf(dueAt)}`)
}

/** Calls off what the signer scheduled. Throws `deploy.operation_refused`. */
export async function cancelCall(operation: Operation, call: Call): Promise<void> {
  const authority = contractOf(operation, 'Authority')
  const caller = await operation.signer.getAddress()
  const data = authority.interface.encodeFunctionData('cancel', [caller, call.target, call.data])
  const request = { target: await authority.getAddress(), data, title: `cancel: ${call.title}` }
  const refusal = await refusalOf(operation, request, caller)
  if (refusal !== undefined) throw deployErrors.operation_refused(`${request.title}: ${refusal}`)
  await send(operation, request)
}

/** What is scheduled and neither made, called off nor lapsed, the earliest first; each is reported. */
export async function listScheduled(operation: Operation): Promise<readonly Scheduled[]> {
  const authority = contractOf(operation, 'Authority')
  const logs = await readEvents(operation, authority, 'OperationScheduled')
  const latest = new Map(logs.flatMap((log) => scheduledIn(log).map((one) => [one.id, one])))
  const found = await readEach([...latest.values()], async (one) => {
    const dueAt = Number(await readView(authority, 'getSchedule', one.id))
    return { ...one, dueAt, lapsesAt: dueAt + WEEK_SECONDS }
  })
  const sorted = found.filter(({ dueAt }) => dueAt !== 0).toSorted((a, b) => a.dueAt - b.dueAt)
  for (const one of sorted) operation.report(describe(operation, one))
  if (sorted.length === 0) operation.report('nothing is scheduled')
  return sorted
}

function scheduledIn(log: EventLog | Log): readonly Scheduled[] {
  if (!('args' in log)) return []
  const [id, , schedule, caller, target, data] = log.args.toArray().map(String)
  if (id === undefined || caller === undefined || target === undefined || data === undefined)
    return []
  const dueAt = Number(schedule)
  return [{ id, caller, target, data, dueAt, lapsesAt: dueAt + WEEK_SECONDS }]
}

function describe(operation: Operation, one: Scheduled): string {
  const parsed = interfaceAt(operation, one.target).parseTransaction({ data: one.data })
  const what = parsed === null ? one.data.slice(0, 10) : `${parsed.name}(${parsed.args.join(', ')})`
  const times = `from ${timeOf(one.dueAt)} until ${timeOf(one.lapsesAt)}`
  return `${one.id} ${nameOf(operation, one.target)}.${what} by ${one.caller} ${times}`
}

async function send({ signer, isDryRun, report }: Operation, call: Call): Promise<void> {
  if (isDryRun) {
    report(`would send ${call.title}: to ${call.target}, data ${call.data}`)
    return
  }
  const sent = await signer.sendTransaction({ to: call.target, data: call.data })
  const receipt = await sent.wait()
  if (receipt?.status !== 1) throw deployErrors.transaction_failed(sent.hash)
  report(`${call.title}: mined in block ${receipt.blockNumber}, ${sent.hash}`)
}

function timeOf(seconds: number): string {
  return new Date(seconds * 1_000).toISOString()
}
