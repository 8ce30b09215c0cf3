import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nextNonce } from '#chain/nonce.ts'
import { SignerQueue } from '#chain/tx-queue.ts'
import {
  judgeRequest,
  nextStep,
  priceAttempt,
  type AttemptView,
  type NonceUse,
  type SendRules,
} from '#chain/tx-step.ts'
import { isOver, type AttemptKind, type TransactionState, type Wish } from '#chain/tx.ts'

const RULES: SendRules = { resendMs: 2, retryMs: 1, bumpBlocks: 2, bumpRestMs: 3 }
const CEILING = 1000n
const DEPTH = 2

interface Bytes {
  readonly id: string
  readonly owner: number | 'stranger'
  readonly kind: AttemptKind
  readonly nonce: number
  readonly fee: bigint
  readonly isStored: boolean
}

interface Request {
  readonly place: number
  state: TransactionState
  wish: Wish | undefined
  nonce: number | undefined
  attempts: (Bytes & { sentAt: number | undefined; signedAt: number; signedHead: number })[]
  looks: number
}

/** A chain, a pool and the decisions of the manager, one signer, in steps that may stop anywhere. */
class Model {
  readonly requests: Request[] = []
  readonly given: number[] = []
  readonly store = new Set<string>()
  readonly pool = new Map<string, Bytes>()
  readonly torn: Bytes[] = []
  blocks: Bytes[][] = []
  now = 0
  market = 8n

  request(): void {
    const place = this.requests.length
    const fresh = { nonce: undefined, wish: undefined, attempts: [], looks: 0 } as const
    this.requests.push({ ...fresh, attempts: [], place, state: 'requested' })
  }

  wish(place: number, wish: Wish): void {
    const request = this.requests[place % Math.max(1, this.requests.length)]
    if (request === undefined || isOver(request.state) || request.state === 'mined') return
    if (wish === 'resume' && request.state !== 'held') return
    request.wish = wish
  }

  count(depth = 0): number {
    return this.blocks.slice(0, this.blocks.length - depth).flat().length
  }

  /** Whoever pays most at the next nonce. */
  mine(): void {
    const block: Bytes[] = []
    for (;;) {
      const nonce = this.count() + block.length
      const best = [...this.pool.values()]
        .filter((bytes) => bytes.nonce === nonce)
        .toSorted((a, b) => Number(b.fee - a.fee))[0]
      if (best === undefined || block.length === 3) break
      block.push(best)
    }
    this.blocks.push(block)
    for (const bytes of block) this.pool.delete(bytes.id)
  }

  retract(): void {
    const block = this.blocks.pop() ?? []
    this.torn.push(...block.filter(({ owner }) => owner === 'stranger'))
  }

  /** What a reorganisation tears off waits to be mined again, as nodes keep it; ours we send ourselves. */
  returnTorn(): void {
    for (const bytes of this.torn.splice(0)) this.pool.set(bytes.id, bytes)
  }

  steal(): void {
    const nonce = this.count()
    const id = `stranger/${nonce}/${this.now}`
    const bytes = {
      id,
      owner: 'stranger',
      kind: 'intent',
      nonce,
      fee: 900n,
      isStored: true,
    } as const
    this.pool.set(id, bytes)
  }

  sighting(request: Request) {
    for (const [height, block] of this.blocks.entries()) {
      const found = block.find((bytes) => bytes.owner === request.place)
      if (found === undefined) continue
      const isFinal = height < this.finalHeight
      return { kind: found.kind, status: 1, isFinal } as const
    }
    return undefined
  }

  /** Blocks once final stay. */
  finalHeight = 0

  settle(): void {
    this.finalHeight = Math.max(this.finalHeight, this.blocks.length - DEPTH)
  }

  /** One turn of the manager that dies after so many steps. */
  turn(steps: number): void {
    this.now += 1
    this.settle()
    let left = steps
    const queue = new SignerQueue(
      this.requests.map((each) => this.row(each)),
      'settler',
      () => undefined,
    )
    for (const request of this.requests) {
      let nonceUse: NonceUse | undefined
      let isAtCap = false
      for (;;) {
        if (left === 0) return
        left -= 1
        const row = this.row(request)
        const step = nextStep(
          {
            state: request.state,
            wish: request.wish,
            attempt: this.view(request),
            hasCancel: this.live(request).some(({ kind }) => kind === 'cancel'),
            sighting: this.sighting(request),
            nonceUse,
            isAtCap,
          },
          queue.placeOf(row),
          RULES,
        )
        if (step.type === 'rest' || step.type === 'wait') break
        if (step.type === 'ask_nonce') {
          nonceUse = this.nonceUse(request.nonce ?? 0)
          continue
        }
        if (step.type === 'price') {
          if (!this.reprice(request, step.kind)) isAtCap = true
          continue
        }
        if (step.type === 'send') {
          this.send(request)
          break
        }
        this.take(request, step)
        if (step.type === 'simulate' && !this.sign(request, queue.unmined)) break
      }
      queue.pass(this.row(request))
    }
  }

  nonceUse(nonce: number): NonceUse {
    const final = this.blocks.slice(0, this.finalHeight).flat().length
    if (final > nonce) return 'used_final'
    return this.count() > nonce ? 'used' : 'free'
  }

  row(request: Request) {
    const { state, nonce } = request
    return { signer: 'settler', state, nonce, sighting: this.sighting(request) } as const
  }

  live(request: Request) {
    return request.attempts.filter(({ nonce }) => nonce === request.nonce)
  }

  view(request: Request): AttemptView | undefined {
    const last = this.live(request).at(-1)
    if (last === undefined) return undefined
    return {
      kind: last.kind,
      fees: { maxFeeWei: last.fee, priorityFeeWei: 1n + last.fee / 10n },
      gasLimit: 50_000n,
      ageMs: this.now - last.signedAt,
      blocksAgo: this.blocks.length - last.signedHead,
      sentAgoMs: last.sentAt === undefined ? undefined : this.now - last.sentAt,
      triedAgoMs: undefined,
      isUnderpriced: false,
      // The shell counts looks; here one is as good as three.
      externalLooks: request.looks === 0 ? 0 : 3,
    }
  }

  /** False while strangers' bytes may still be torn off. */
  sign(request: Request, unmined: number): boolean {
    const market = { maxFeeWei: this.market, priorityFeeWei: 1n }
    const simulation = { type: 'succeeded', gas: 40_000n } as const
    const facts = { simulation, unmined, gasCap: undefined, market, ceilingWei: CEILING }
    expect(judgeRequest(facts).type).toBe('sign')
    const final = this.blocks.slice(0, this.finalHeight).flat().length
    const nonce = nextNonce(this.count(), this.given.at(-1), final)
    if (nonce === undefined) return false
    this.given.push(nonce)
    request.nonce = nonce
    request.state = 'signed'
    this.attempt(request, 'intent', this.market)
    return true
  }

  reprice(request: Request, kind: AttemptKind): boolean {
    const last = this.view(request)
    if (last === undefined) return false
    const market = { maxFeeWei: this.market, priorityFeeWei: 1n }
    const pricing = priceAttempt(last, kind, market, CEILING)
    if (pricing.type === 'stay') return false
    if (kind === 'cancel') request.state = 'cancelling'
    this.attempt(request, kind, pricing.fees.maxFeeWei)
    return true
  }

  attempt(request: Request, kind: AttemptKind, fee: bigint): void {
    const id = `${request.place}/${request.attempts.length}`
    this.store.add(id)
    const bytes = {
      id,
      owner: request.place,
      kind,
      nonce: request.nonce ?? -1,
      fee,
      isStored: true,
    }
    const signed = { signedAt: this.now, signedHead: this.blocks.length, sentAt: undefined }
    request.attempts.push({ ...bytes, ...signed })
  }

  send(request: Request): void {
    const last = this.live(request).at(-1)
    if (last === undefined) throw new RangeError('nothing to send')
    expect(this.store.has(last.id)).toBe(true)
    if (this.count() > last.nonce) {
      const isOurs = this.blocks.flat().some((bytes) => bytes.owner === request.place)
      request.looks = isOurs ? 0 : request.looks + 1
      return
    }
    last.sentAt = this.now
    if (request.state === 'signed') request.state = 'broadcast'
    this.pool.set(last.id, last)
  }

  take(request: Request, step: ReturnType<typeof nextStep>): void {
    const last = this.live(request).at(-1)
    if (step.type === 'move') {
      request.state = step.state
      if (step.isUnsent && last !== undefined) last.sentAt = undefined
      request.looks = 0
    }
    if (step.type === 'hold') {
      request.state = 'held'
      request.looks = 0
    }
    if (step.type === 'cancel' || step.type === 'requeue') {
      request.state = step.type === 'cancel' ? 'cancelled' : 'requested'
      request.nonce = undefined
      request.wish = undefined
    }
    if (step.type === 'return') {
      request.state = last?.kind === 'cancel' ? 'cancelling' : 'broadcast'
      request.wish = undefined
      if (last !== undefined) last.sentAt = undefined
    }
  }

  check(): void {
    expect(new Set(this.given).size).toBe(this.given.length)
    const mined = this.blocks.flat()
    expect(mined.map(({ nonce }) => nonce)).toEqual(mined.map((_, place) => place))
    for (const request of this.requests) {
      const own = mined.filter(({ owner }) => owner === request.place)
      expect(own.length).toBeLessThanOrEqual(1)
      const hasRun = own.some(({ kind }) => kind === 'intent')
      if (request.state === 'cancelled') expect(hasRun).toBe(false)
      if (request.state === 'final') expect(hasRun).toBe(true)
    }
  }
}

type Move =
  | { readonly type: 'request' | 'mine' | 'retract' | 'steal' | 'drop' }
  | { readonly type: 'turn'; readonly steps: number }
  | { readonly type: 'wish'; readonly place: number; readonly wish: Wish }
  | { readonly type: 'market'; readonly fee: bigint }

const wish = fc.record({
  type: fc.constant('wish' as const),
  place: fc.nat(5),
  wish: fc.constantFrom<Wish>('cancel', 'resume'),
})
const turn = fc.record({
  type: fc.constant('turn' as const),
  steps: fc.integer({ min: 1, max: 60 }),
})
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 6, arbitrary: turn },
  { weight: 2, arbitrary: fc.constant({ type: 'request' } as const) },
  { weight: 3, arbitrary: fc.constant({ type: 'mine' } as const) },
  { weight: 2, arbitrary: fc.constant({ type: 'retract' } as const) },
  { weight: 2, arbitrary: fc.constant({ type: 'steal' } as const) },
  { weight: 1, arbitrary: fc.constant({ type: 'drop' } as const) },
  { weight: 2, arbitrary: wish },
  {
    weight: 1,
    arbitrary: fc.bigInt({ min: 2n, max: 900n }).map((fee) => ({ type: 'market', fee }) as const),
  },
)

function run(model: Model, { type, ...move }: Move): void {
  if (type === 'request') model.request()
  if (type === 'mine') model.mine()
  if (type === 'retract' && model.blocks.length > model.finalHeight) model.retract()
  if (type === 'steal') model.steal()
  if (type === 'drop') model.pool.clear()
  if ('steps' in move) model.turn(move.steps)
  if ('wish' in move) model.wish(move.place, move.wish)
  if ('fee' in move) model.market = move.fee
}

const queue = { unmined: 0, isLowest: true, isNext: true, blocked: undefined }
const attempt: AttemptView = {
  kind: 'intent',
  fees: { maxFeeWei: 10n, priorityFeeWei: 1n },
  gasLimit: 50_000n,
  ageMs: 0,
  blocksAgo: 0,
  sentAgoMs: 0,
  triedAgoMs: undefined,
  isUnderpriced: false,
  externalLooks: 0,
}

describe('a request that is out', () => {
  const step = (found: Partial<AttemptView>, isLowest = true) => {
    const out = {
      state: 'broadcast',
      hasCancel: false,
      sighting: undefined,
      isAtCap: false,
    } as const
    const view = { ...out, attempt: { ...attempt, ...found }, wish: undefined, nonceUse: undefined }
    return nextStep(view, { ...queue, isLowest }, RULES).type
  }

  it('gets a higher fee when it is the first in line, and not behind another one', () => {
    const late = { blocksAgo: RULES.bumpBlocks }
    expect(step(late)).toBe('price')
    expect(step(late, false)).toBe('rest')
    expect(step({ blocksAgo: 1, isUnderpriced: true }, false)).toBe('rest')
  })

  it('is held only when three looks found its nonce used by another transaction', () => {
    expect(step({ externalLooks: 2 })).toBe('rest')
    expect(step({ externalLooks: 3 })).toBe('hold')
  })
})

describe('a held request', () => {
  const step = (nonceUse: NonceUse | undefined, wanted: Wish | undefined) => {
    const held = { state: 'held', hasCancel: false, sighting: undefined, isAtCap: false } as const
    return nextStep({ ...held, attempt, wish: wanted, nonceUse }, queue, RULES).type
  }

  it('waits for a person, and then for what became of its nonce', () => {
    expect(step('free', undefined)).toBe('rest')
    expect(step(undefined, 'resume')).toBe('ask_nonce')
    for (const wanted of ['resume', 'cancel'] as const) expect(step('used', wanted)).toBe('wait')
    expect(step('used_final', 'resume')).toBe('requeue')
    expect(step('used_final', 'cancel')).toBe('cancel')
    expect(step('free', 'resume')).toBe('return')
    expect(step('free', 'cancel')).toBe('price')
  })
})

describe('the decisions of the transaction manager', () => {
  it('give each nonce once, run each request at most once, and never call run what is cancelled', () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 120 }), (moves) => {
        const model = new Model()
        for (const each of moves) {
          run(model, each)
          model.check()
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('bring every request to an end once the chain is kind and people decide', () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 60 }), (moves) => {
        const model = new Model()
        for (const each of moves) run(model, each)
        model.market = 8n
        model.returnTorn()
        for (let round = 0; round < 60; round += 1) {
          for (const request of model.requests) {
            if (request.state === 'held') request.wish = 'resume'
          }
          for (let turns = 0; turns < 4; turns += 1) model.turn(1000)
          model.mine()
        }
        model.check()
        expect(model.requests.filter(({ state }) => !isOver(state))).toEqual([])
      }),
      { numRuns: 150 },
    )
  })
})
