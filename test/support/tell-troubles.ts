import { afterEach } from 'vitest'
import { Sandbox } from './sandbox.ts'

/** A story that fails says what its nodes said: elsewhere nobody can ask them afterwards. */
afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail') return
  for (const sandbox of Sandbox.live) {
    process.stderr.write(`${task.name}: what the node said\n${await sandbox.troubles()}\n`)
  }
})
