import { registerHooks } from 'node:module'
import { findFault } from './faults.ts'

/**
 * Loaded with `--import` before a simulation. Product code that asks for time, randomness or a
 * socket gets those of the simulated world; a fault named in SIMULATION_FAULT is put into the one
 * place of the one file that it is meant for.
 */
const ROOT = new URL('../../', import.meta.url).href
const SOURCE = `${ROOT}src/`
const SEAMS: Readonly<Record<string, string>> = {
  'node:timers/promises': './seams/timers.ts',
  'node:crypto': './seams/crypto.ts',
  'node:worker_threads': './seams/worker.ts',
  undici: './seams/undici.ts',
}
const fault = findFault(process.env['SIMULATION_FAULT'])

registerHooks({
  resolve(specifier, context, nextResolve) {
    const seam = SEAMS[specifier]
    const isOurs = context.parentURL?.startsWith(SOURCE) === true
    if (seam === undefined || !isOurs) return nextResolve(specifier, context)
    return { url: new URL(seam, import.meta.url).href, shortCircuit: true }
  },
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    if (fault === undefined || url !== `${ROOT}${fault.file}`) return loaded
    const { source = '' } = loaded
    const text = typeof source === 'string' ? source : Buffer.from(source as Uint8Array).toString()
    const parts = text.split(fault.find)
    if (parts.length !== 2) {
      throw new TypeError(`fault ${fault.name}: ${parts.length - 1} places in ${fault.file}`)
    }
    return { ...loaded, source: parts.join(fault.replace) }
  },
})
