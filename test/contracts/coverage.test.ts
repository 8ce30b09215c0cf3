import { createRequire } from 'node:module'
import { describe, expect, test } from 'vitest'
import { assert } from '#kernel/assert.ts'
import { isJsonObject, parseJson } from '#kernel/json.ts'
import { missed, shortfall, tally, total } from '../../scripts/contracts/coverage-figures.ts'
import { asView, markSource } from '../../scripts/contracts/coverage-markers.ts'
import type { Point } from '../../scripts/contracts/coverage-markers.ts'

const solc: unknown = createRequire(import.meta.url)('solc')

function isCompiler(value: unknown): value is { compile(input: string): string } {
  return typeof value === 'object' && value !== null && 'compile' in value
}

function field(value: unknown, ...names: readonly string[]): unknown {
  return names.reduce<unknown>((each, name) => (isJsonObject(each) ? each[name] : undefined), value)
}

function parse(content: string): unknown {
  assert(isCompiler(solc), 'solc compiles')
  const output = parseJson(
    solc.compile(
      JSON.stringify({
        language: 'Solidity',
        sources: { 'A.sol': { content } },
        settings: { stopAfter: 'parsing', outputSelection: { '*': { '': ['ast'] } } },
      }),
    ),
  )
  const tree = field(output, 'sources', 'A.sol', 'ast')
  assert(tree !== undefined, `can be parsed: ${JSON.stringify(field(output, 'errors'))}`)
  return tree
}

/** The marked body of a function, on one line, without what marked assembly starts with. */
function mark(body: string): { readonly text: string; readonly points: readonly Point[] } {
  const head =
    'pragma solidity 0.8.37;\ncontract A {\nfunction f(bool a, bool b, uint c) external {\n'
  const source = `${head}${body}\n}}`
  const { text, points } = markSource(source, parse(source), './Marks.sol', 1)
  const inner = text.slice(text.indexOf('external {') + 11, text.lastIndexOf('\n}}'))
  const plain = inner.replaceAll(/ function hit_.*\n function fork_.* /g, '')
  return { text: plain, points: points.map((point) => ({ ...point, line: point.line - 3 })) }
}

describe('marks', () => {
  test('each statement has one, and a body without braces gets them', () => {
    const { text, points } = mark('c = 1;\nif (a) c = 2; else return;')
    expect(text).toBe(
      'Marks.hit(1); c = 1;\nMarks.hit(2); if (Marks.fork(a, 3)) { Marks.hit(5); c = 2; } ' +
        'else { Marks.hit(6); return; }',
    )
    expect(points.filter(({ kind }) => kind === 'line').map(({ line }) => line)).toEqual([
      1, 2, 2, 2,
    ])
  })

  test.each([
    ['c = a ? 1 : 2;', 'Marks.hit(1); c = Marks.fork(a, 2) ? 1 : 2;'],
    ['a = a && b;', 'Marks.hit(1); a = Marks.fork(a, 2) && b;'],
    ['require(a, "no");', 'Marks.hit(1); require(Marks.fork(a, 2), "no");'],
    ['while (a) {}', 'Marks.hit(1); while (Marks.fork(a, 2)) {}'],
    ['do {} while (a);', 'Marks.hit(1); do {} while (Marks.fork(a, 2));'],
    ['for (; a;) {}', 'Marks.hit(1); for (; Marks.fork(a, 2);) {}'],
  ])('%s has two outcomes', (body, marked) => {
    const { text, points } = mark(body)
    expect(text).toBe(marked)
    expect(points.filter(({ kind }) => kind === 'true').map(({ tag }) => tag)).toEqual([2])
    expect(points.filter(({ kind }) => kind === 'false').map(({ tag }) => tag)).toEqual([3])
  })

  test('decisions inside of decisions are told apart', () => {
    expect(mark('if (a && (b || c > 1)) {}').text).toBe(
      'Marks.hit(1); if (Marks.fork(Marks.fork(a, 4) && (Marks.fork(b, 6) || c > 1), 2)) {}',
    )
  })

  test('every way on from a try is a branch', () => {
    const { text, points } = mark('try this.f(a, b, c) {} catch {}')
    expect(text).toBe('Marks.hit(1); try this.f(a, b, c) { Marks.hit(2); } catch { Marks.hit(3); }')
    expect(points.filter(({ kind }) => kind === 'way')).toHaveLength(2)
  })

  test('assembly has a mark where a run of statements starts', () => {
    const { text, points } = mark(
      'assembly {\nlet x := 1\nx := 2\nif x { x := 3 }\nx := 4\nswitch x case 1 { }\n}',
    )
    expect(text).toBe(
      'assembly {\nhit_(1) let x := 1\nx := 2\nif fork_(x, 2) { hit_(4) x := 3 }\nhit_(5) x := 4\n' +
        'switch x case 1 { hit_(6)  } default { hit_(7) }\n}',
    )
    expect(points.filter(({ kind }) => kind === 'line').map(({ line }) => line)).toEqual([
      2, 3, 4, 4, 5, 6,
    ])
  })

  test('the conditions of loops in assembly have two outcomes', () => {
    expect(mark('assembly {\nfor { } lt(c, 3) { } { } }').text).toBe(
      'assembly {\nhit_(1) for { } fork_(lt(c, 3), 2) { } { } }',
    )
  })

  test('letters of several bytes do not move them', () => {
    expect(mark('/* ∑ é */ c = 1;').text).toBe('/* ∑ é */ Marks.hit(1); c = 1;')
  })
})

test('pure becomes view, but not in comments and strings', () => {
  expect(asView('f() pure; // pure\n/* pure */ "pure \\" pure" pureness')).toBe(
    'f() view; // pure\n/* pure */ "pure \\" pure" pureness',
  )
})

describe('figures', () => {
  const points = new Map<string, readonly Point[]>([
    [
      'A.sol',
      [
        { kind: 'line', line: 1, tag: 1 },
        { kind: 'true', line: 1, tag: 2 },
        { kind: 'false', line: 1, tag: 3 },
        { kind: 'line', line: 1, tag: 4 },
        { kind: 'line', line: 2, tag: 5 },
      ],
    ],
    ['B.sol', [{ kind: 'line', line: 1, tag: 6 }]],
  ])

  test('a line is reached when a statement on it is', () => {
    expect(tally(points.get('A.sol') ?? [], new Set([1, 2]))).toEqual({
      lines: { reached: 1, all: 2 },
      branches: { reached: 1, all: 2 },
    })
  })

  test('equal lines of two files are two', () => {
    expect(total(points, new Set([1, 6])).lines).toEqual({ reached: 2, all: 3 })
  })

  test('what is missing is named once', () => {
    expect(missed(points, new Set([4, 2, 6]))).toEqual([
      'not reached: A.sol:1 false',
      'not reached: A.sol:2 line',
    ])
  })

  test.each([
    [99, 95, undefined],
    [98, 100, 'Less than 99 % of the lines are reached.'],
    [100, 94, 'Less than 95 % of the branches are reached.'],
  ])('%s lines and %s branches of 100', (lines, branches, words) => {
    const figures = {
      lines: { reached: lines, all: 100 },
      branches: { reached: branches, all: 100 },
    }
    expect(shortfall(figures)).toBe(words)
  })
})
