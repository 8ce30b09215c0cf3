import { isJsonObject } from '#kernel/json.ts'

/** What a run has to reach: a line with code, or one outcome of a decision. */
export interface Point {
  /** A branch: the outcome of a decision, or a way that is taken or not. */
  readonly kind: 'line' | 'true' | 'false' | 'way'
  readonly line: number
  /** Number that the marked code reports. */
  readonly tag: number
}

export interface MarkedSource {
  readonly text: string
  readonly points: readonly Point[]
}

type Node = Readonly<Record<string, unknown>>

/** Hardhat's coverage listens at this address. A report leaves memory as it was, and nothing else sees it. */
const REPORT = `let kept := mload(0)
            mstore(0, tag)
            pop(staticcall(gas(), 0xc0bEc0BEc0BeC0bEC0beC0bEC0bEC0beC0beC0BE, 0, 0x20, 0, 0))
            mstore(0, kept)`

/** What marked Solidity calls. */
export const MARKS = `// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

library Marks {
    function hit(uint256 tag) internal view {
        assembly ("memory-safe") {
            ${REPORT}
        }
    }

    function fork(bool outcome, uint256 tag) internal view returns (bool) {
        hit(outcome ? tag : tag + 1);
        return outcome;
    }
}
`

/** What marked assembly calls. */
const YUL_MARKS = ` function hit_(tag) { ${REPORT.replaceAll(/\s+/g, ' ')} }
 function fork_(outcome, tag) -> same { hit_(add(tag, iszero(outcome))) same := outcome } `

const EXPRESSION_STATEMENTS = [
  'ExpressionStatement',
  'VariableDeclarationStatement',
  'Return',
  'EmitStatement',
  'RevertStatement',
  'PlaceholderStatement',
]

/**
 * Makes a source report the lines that it runs and the outcomes of its decisions: `if`, `?:`, `require`, the conditions of
 * loops, the left sides of `&&` and `||`, `try`, and `if`, `switch` and `for` of assembly.
 * @param tree The compiler's syntax tree of the text, parsed only.
 * @param library Import path of the library MARKS.
 */
export function markSource(
  text: string,
  tree: unknown,
  library: string,
  firstTag: number,
): MarkedSource {
  const marker = new Marker(text, firstTag)
  marker.source(tree)
  return { text: marker.result(library), points: marker.points }
}

class Marker {
  readonly points: Point[] = []
  readonly #text: Buffer
  readonly #insertions: { readonly at: number; readonly add: string }[] = []
  #tag: number

  constructor(text: string, firstTag: number) {
    this.#text = Buffer.from(text)
    this.#tag = firstTag
  }

  /** Reporting reads the chain in the compiler's eyes, so what is pure becomes view. */
  result(library: string): string {
    let [marked, from] = ['', 0]
    for (const { at, add } of this.#insertions.toSorted((a, b) => a.at - b.at)) {
      marked += this.#text.toString('utf8', from, at) + add
      from = at
    }
    marked += this.#text.toString('utf8', from)
    const import_ = `import {Marks} from "${library}"; `
    return asView(marked).replace(/pragma solidity [^;]+;/, (pragma) => `${pragma} ${import_}`)
  }

  source(node: unknown): void {
    for (const child of childrenOf(node)) {
      if (child['nodeType'] === 'FunctionDefinition' || child['nodeType'] === 'ModifierDefinition')
        this.#block(child['body'])
      else if (child['nodeType'] === 'ContractDefinition') this.source(child)
    }
  }

  #block(node: unknown): void {
    for (const statement of list(node, 'statements')) this.#statement(statement)
  }

  #statement(node: Node): void {
    const type = String(node['nodeType'])
    if (type === 'Block' || type === 'UncheckedBlock') return this.#block(node)
    if (type === 'InlineAssembly') return this.#assembly(node)
    this.#insert(startOf(node), `Marks.hit(${this.#line(node)}); `)
    if (EXPRESSION_STATEMENTS.includes(type)) this.#expressions(node)
    else this.#control(type, node)
  }

  #control(type: string, node: Node): void {
    if (type === 'TryStatement') return this.#attempt(node)
    if (type === 'DoWhileStatement') {
      this.#body(node['body'])
      return this.#decision(node['condition'])
    }
    this.#expressions({ initial: node['initializationExpression'] })
    this.#decision(node['condition'])
    this.#expressions({ step: node['loopExpression'] })
    for (const body of ['body', 'trueBody', 'falseBody']) this.#body(node[body])
  }

  /** One statement without braces gets some, for its mark. */
  #body(node: unknown): void {
    if (!isNode(node)) return
    if (node['nodeType'] === 'Block') return this.#block(node)
    this.#insert(startOf(node), '{ ')
    this.#statement(node)
    const rest = /^\s*;/.exec(this.#text.toString('utf8', endOf(node), endOf(node) + 100))
    this.#insert(endOf(node) + (rest?.[0].length ?? 0), ' }')
  }

  #attempt(node: Node): void {
    this.#expressions({ call: node['externalCall'] })
    for (const clause of list(node, 'clauses')) {
      const block = clause['block']
      this.#insert(startOf(block) + 1, ` Marks.hit(${this.#way(block)}); `)
      this.#block(block)
    }
  }

  #expressions(node: unknown): void {
    for (const child of childrenOf(node)) this.#expression(child)
  }

  #expression(node: Node): void {
    const decided = decisionIn(node)
    for (const child of childrenOf(node)) {
      if (child === decided) this.#decision(child)
      else this.#expression(child)
    }
  }

  #decision(node: unknown): void {
    if (!isNode(node)) return
    const tag = this.#outcomes(node)
    this.#insert(startOf(node), 'Marks.fork(')
    this.#expression(node)
    this.#insert(endOf(node), `, ${tag})`)
  }

  #assembly(node: Node): void {
    const block = node['AST']
    this.#insert(startOf(block) + 1, YUL_MARKS)
    this.#yulBlock(block)
  }

  /** A run of plain statements has one mark: it ends only where it branches. */
  #yulBlock(node: unknown): void {
    let run: number | undefined
    for (const statement of list(node, 'statements')) {
      if (statement['nodeType'] === 'YulFunctionDefinition') {
        this.#yulBlock(statement['body'])
        continue
      }
      if (run === undefined) {
        run = this.#line(statement)
        this.#insert(startOf(statement), `hit_(${run}) `)
      } else this.#point('line', statement, run)
      if (this.#yulControl(statement)) run = undefined
    }
  }

  #yulControl(node: Node): boolean {
    const type = node['nodeType']
    if (type === 'YulBlock') this.#yulBlock(node)
    if (type === 'YulSwitch') this.#yulSwitch(node)
    if (type === 'YulIf' || type === 'YulForLoop') {
      this.#yulBlock(node['pre'])
      const condition = node['condition']
      this.#insert(startOf(condition), 'fork_(')
      this.#insert(endOf(condition), `, ${this.#outcomes(condition)})`)
      this.#yulBlock(node['post'])
      this.#yulBlock(node['body'])
    }
    return ['YulBlock', 'YulSwitch', 'YulIf', 'YulForLoop'].includes(String(type))
  }

  #yulSwitch(node: Node): void {
    const cases = list(node, 'cases')
    for (const each of cases) {
      this.#insert(startOf(each['body']) + 1, ` hit_(${this.#way(each)}) `)
      this.#yulBlock(each['body'])
    }
    if (cases.some(({ value }) => value === 'default')) return
    this.#insert(endOf(node), ` default { hit_(${this.#way(node)}) }`)
  }

  #line(node: Node): number {
    return this.#point('line', node, this.#tag++)
  }

  #way(node: unknown): number {
    return this.#point('way', node, this.#tag++)
  }

  /** Takes two tags; the first is that of the outcome true. */
  #outcomes(node: unknown): number {
    this.#point('false', node, this.#tag + 1)
    const tag = this.#point('true', node, this.#tag)
    this.#tag += 2
    return tag
  }

  #point(kind: Point['kind'], node: unknown, tag: number): number {
    const line = this.#text.toString('utf8', 0, startOf(node)).split('\n').length
    this.points.push({ kind, line, tag })
    return tag
  }

  #insert(at: number, add: string): void {
    this.#insertions.push({ at, add })
  }
}

/** `pure` outside of comments and strings becomes `view`. */
export function asView(source: string): string {
  return source.replace(/\/\/.*|\/\*[^]*?\*\/|"(?:\\.|[^"\\])*"|\bpure\b/g, (part) =>
    part === 'pure' ? 'view' : part,
  )
}

/** The part of an expression on which it depends what else of it is evaluated. */
function decisionIn(node: Node): unknown {
  if (node['nodeType'] === 'Conditional') return node['condition']
  if (node['nodeType'] === 'BinaryOperation')
    return ['&&', '||'].includes(String(node['operator'])) ? node['leftExpression'] : undefined
  const called = node['nodeType'] === 'FunctionCall' ? node['expression'] : undefined
  const isCheck = isNode(called) && ['require', 'assert'].includes(String(called['name']))
  return isCheck ? list(node, 'arguments')[0] : undefined
}

function isNode(value: unknown): value is Node {
  return isJsonObject(value) && typeof value['src'] === 'string'
}

function list(node: unknown, name: string): readonly Node[] {
  const value = isJsonObject(node) ? node[name] : undefined
  return Array.isArray(value) ? value.filter(isNode) : []
}

/** The nodes right below one, in the order of the text. */
function childrenOf(node: unknown): readonly Node[] {
  const values = isJsonObject(node) ? Object.values(node).flat() : []
  return values.filter(isNode).toSorted((a, b) => startOf(a) - startOf(b))
}

function startOf(node: unknown): number {
  return Number((isNode(node) ? String(node['src']) : '').split(':')[0])
}

function endOf(node: unknown): number {
  const [start, length] = (isNode(node) ? String(node['src']) : '').split(':')
  return Number(start) + Number(length)
}
