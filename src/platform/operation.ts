import type { Json } from '#kernel/json.ts'
import { stringifyJson } from '#kernel/json.ts'
import { idFromUuid, isId, uuidOf } from '#kernel/id.ts'
import { newId } from './crypto.ts'
import type { Db, Tx } from './db/pool.ts'
import { platformErrors } from './errors.ts'

export type OperationStatus = 'pending' | 'running' | 'succeeded' | 'failed'

export interface OperationStep {
  readonly name: string
  readonly status: OperationStatus
  readonly detail?: string | undefined
  readonly data?: Json | undefined
}

/** Long work that goes on after the reply; its steps tell how far it is. */
export interface Operation {
  /** `opn_…` */
  readonly id: string
  readonly kind: string
  /** Id of the principal who asked for it. */
  readonly owner: string
  readonly status: OperationStatus
  readonly steps: readonly OperationStep[]
  /** Id of what it works on. */
  readonly resource: string | null
  readonly createdAt: Date
  readonly updatedAt: Date
}

interface OperationRow {
  readonly id: string
  readonly kind: string
  readonly owner: string
  readonly status: OperationStatus
  readonly steps: readonly OperationStep[]
  readonly resource: string | null
  readonly created_at: Date
  readonly updated_at: Date
}

const COLUMNS = 'id, kind, owner, status, steps, resource, created_at, updated_at'

export class Operations {
  readonly #db: Db

  constructor(options: { database: Db }) {
    this.#db = options.database
  }

  /** Records work with all its steps pending; returns the id. */
  async create(
    tx: Tx,
    operation: {
      readonly kind: string
      readonly owner: string
      readonly steps: readonly string[]
      readonly resource?: string
      readonly id?: string
    },
  ): Promise<string> {
    const { kind, owner, resource = null, id = newId('operation') } = operation
    const steps = operation.steps.map((name): OperationStep => ({ name, status: 'pending' }))
    await tx.query(
      `INSERT INTO platform.operation (id, kind, owner, status, steps, resource)
       VALUES ($1, $2, $3, 'pending', $4, $5)`,
      [uuidOf('operation', id), kind, owner, stringifyJson(steps), resource],
    )
    return id
  }

  /** Changes one step; the status of the whole follows from its steps. */
  async setStep(
    tx: Tx,
    id: string,
    name: string,
    change: Partial<Omit<OperationStep, 'name'>>,
  ): Promise<Operation> {
    const rows = await tx.query<OperationRow>(
      `SELECT ${COLUMNS} FROM platform.operation WHERE id = $1 FOR UPDATE`,
      [uuidOf('operation', id)],
    )
    const found = requireOperation(rows[0])
    const steps = found.steps.map((step) => (step.name === name ? { ...step, ...change } : step))
    const changed = await tx.query<OperationRow>(
      `UPDATE platform.operation SET steps = $2, status = $3, updated_at = clock_timestamp()
       WHERE id = $1 RETURNING ${COLUMNS}`,
      [uuidOf('operation', id), stringifyJson(steps), statusOf(steps)],
    )
    return requireOperation(changed[0])
  }

  /** Throws `platform.operation_not_found`. */
  async get(id: string): Promise<Operation> {
    if (!isId('operation', id)) throw platformErrors.operation_not_found()
    const rows = await this.#db.query<OperationRow>(
      `SELECT ${COLUMNS} FROM platform.operation WHERE id = $1`,
      [uuidOf('operation', id)],
    )
    return requireOperation(rows[0])
  }

  /** Unfinished work of a kind, oldest first, for the worker that goes on with it. */
  async listUnfinished(kind: string, limit: number): Promise<readonly Operation[]> {
    const rows = await this.#db.query<OperationRow>(
      `SELECT ${COLUMNS} FROM platform.operation
       WHERE kind = $1 AND status IN ('pending', 'running') ORDER BY id LIMIT $2`,
      [kind, limit],
    )
    return rows.map(toOperation)
  }
}

/** The status of work whose steps stand like this. */
export function statusOf(steps: readonly OperationStep[]): OperationStatus {
  if (steps.some((step) => step.status === 'failed')) return 'failed'
  if (steps.every((step) => step.status === 'succeeded')) return 'succeeded'
  return steps.every((step) => step.status === 'pending') ? 'pending' : 'running'
}

function requireOperation(row: OperationRow | undefined): Operation {
  if (row === undefined) throw platformErrors.operation_not_found()
  return toOperation(row)
}

function toOperation(row: OperationRow): Operation {
  return {
    id: idFromUuid('operation', row.id),
    kind: row.kind,
    owner: row.owner,
    status: row.status,
    steps: row.steps,
    resource: row.resource,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}
