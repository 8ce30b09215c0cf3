import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, it } from 'vitest'

/** Waits for a signal, then stops for ever. */
const SCRIPT = `
  import { untilSignal } from '#app/until-signal.ts'
  const first = untilSignal()
  setInterval(() => undefined, 1000)
  console.log('runs')
  console.log(await first)
`

it('takes the first signal as a wish and the second as an order', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', SCRIPT])
  const closed = once(child, 'close')
  let out = ''
  child.stdout.on('data', (chunk) => (out += String(chunk)))
  await expect.poll(() => out).toBe('runs\n')
  child.kill('SIGTERM')
  await expect.poll(() => out).toBe('runs\nSIGTERM\n')
  expect(child.exitCode).toBe(null)
  child.kill('SIGINT')
  expect(await closed).toEqual([130, null])
})
