import { drillExit } from '../../deploy/operations/exit-drill.ts'
import { exitLines } from './exit-lines.ts'
import { runScript } from './session.ts'

/** Says what each wallet could take out without the operator; sends nothing. Exit code 1 when the vault does not cover it. */
await runScript(async (operation) => {
  const drill = await drillExit(operation)
  for (const line of exitLines(drill)) operation.report(line)
  if (drill.uncovered.length > 0) process.exitCode = 1
})
