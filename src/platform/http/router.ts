import { assert } from '#kernel/assert.ts'
import { platformErrors } from '../errors.ts'
import type { Method, Route } from './route.ts'

interface Node {
  readonly children: Map<string, Node>
  param: Node | undefined
  readonly routes: Map<string, { readonly route: Route; readonly names: readonly string[] }>
}

export interface Match {
  readonly route: Route
  readonly params: Readonly<Record<string, string>>
}

/** Finds the route of a request in a tree of path segments; a fixed segment wins over a parameter. */
export class Router {
  readonly #root: Node = emptyNode()

  constructor(routes: readonly Route[]) {
    const ids = new Set<string>()
    for (const route of routes) {
      assert(!ids.has(route.id), `two routes have the id ${route.id}`)
      ids.add(route.id)
      this.#add(route)
    }
  }

  /** Throws `platform.route_not_found` or `platform.method_not_allowed`. */
  match(method: string, path: string): Match {
    const segments = segmentsOf(path)
    const values: string[] = []
    const node = find(this.#root, segments, 0, values)
    if (node === undefined || node.routes.size === 0) throw platformErrors.route_not_found()
    const found = node.routes.get(method)
    if (found === undefined) throw platformErrors.method_not_allowed()
    const params = Object.fromEntries(found.names.map((name, place) => [name, values[place] ?? '']))
    return { route: found.route, params }
  }

  /** The methods that a path knows, for the header `Allow`. */
  methodsOf(path: string): readonly Method[] {
    const node = find(this.#root, segmentsOf(path), 0, [])
    return node === undefined ? [] : [...node.routes.values()].map(({ route }) => route.method)
  }

  #add(route: Route): void {
    const names: string[] = []
    let node = this.#root
    for (const segment of segmentsOf(route.path)) {
      if (segment.startsWith(':')) {
        names.push(segment.slice(1))
        node = node.param ??= emptyNode()
      } else {
        const next = node.children.get(segment) ?? emptyNode()
        node.children.set(segment, next)
        node = next
      }
    }
    assert(!node.routes.has(route.method), `two routes: ${route.method} ${route.path}`)
    node.routes.set(route.method, { route, names })
  }
}

function emptyNode(): Node {
  return { children: new Map(), param: undefined, routes: new Map() }
}

function find(
  node: Node,
  segments: readonly string[],
  at: number,
  values: string[],
): Node | undefined {
  const segment = segments[at]
  if (segment === undefined) return node
  const child = node.children.get(segment)
  const fixed = child === undefined ? undefined : find(child, segments, at + 1, values)
  if (fixed !== undefined) return fixed
  if (node.param === undefined || segment === '') return undefined
  values.push(segment)
  const found = find(node.param, segments, at + 1, values)
  if (found === undefined) values.pop()
  return found
}

function segmentsOf(path: string): readonly string[] {
  return path.split('/').slice(1).map(decodeSegment)
}

/** Text that is no percent encoding stays as it is and matches nothing. */
function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
