/**
 * Loaded before the node with `--import`: writes the fail points into its modules as they are read.
 * A point whose anchor is gone stops the node before it starts.
 */
import { existsSync, fsyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  armedFile,
  FAIL_POINTS,
  FOLDER_VARIABLE,
  hitFile,
  withFailPoints,
  type Armed,
} from './failpoint.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const FILES: ReadonlySet<string> = new Set(Object.values(FAIL_POINTS).map(({ file }) => file))
const folder = process.env[FOLDER_VARIABLE] ?? ''
const passes = new Map<string, number>()

/** Called by the sources as they were changed. */
function passFailPoint(name: string, facts: object = {}): void {
  const file = armedFile(folder)
  if (!existsSync(file)) return
  const armed: Armed = JSON.parse(readFileSync(file, 'utf8'))
  if (armed.name !== name) return
  const count = (passes.get(name) ?? 0) + 1
  passes.set(name, count)
  if (count <= armed.after) return
  // Armed for one end only: a node that starts again passes by.
  rmSync(file)
  const hit = openSync(hitFile(folder), 'w')
  writeSync(hit, JSON.stringify({ name, ...facts }))
  fsyncSync(hit)
  if (armed.stallMs > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, armed.stallMs)
  process.kill(process.pid, 'SIGKILL')
}

for (const file of FILES) withFailPoints(file, readFileSync(join(ROOT, file), 'utf8'))
Object.assign(globalThis, { passFailPoint })

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    if (!url.startsWith('file:')) return loaded
    const file = relative(ROOT, fileURLToPath(url)).split(sep).join('/')
    if (!FILES.has(file) || loaded.source === undefined || loaded.source === null) return loaded
    const source =
      typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source)
    return { ...loaded, source: withFailPoints(file, source) }
  },
})
