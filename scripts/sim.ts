import { runSeeds, failureIn, type ChildReport } from '../test/simulation/child.ts'

/**
 * `npm run sim -- 10000` runs so many seeds in two processes, with a line of progress now and then;
 * `npm run sim -- --seed 123456 [--trace]` replays one exactly. Exit code 1 when a seed failed.
 */
const LANES = 2
const FIRST_SEED = 100_000
const args = process.argv.slice(2)

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

function describe({ seeds, seedsPerSecond }: ChildReport): string {
  return `${seeds ?? 0} seeds, ${seedsPerSecond ?? 0} seeds/s`
}

/** How many seeds; ends the process for anything but a whole number above zero. */
function readCount(text: string): number {
  const count = Number(text)
  if (Number.isSafeInteger(count) && count > 0) return count
  process.stderr.write(`"${text}" is not a number of seeds\n`)
  process.exit(2)
}

async function replay(): Promise<readonly ChildReport[]> {
  return await runSeeds(args, { heard: say })
}

async function runMany(count: number): Promise<readonly ChildReport[]> {
  const share = Math.ceil(count / LANES)
  const lanes = Array.from({ length: LANES }, async (_, lane) => {
    const first = `${FIRST_SEED + lane * share}`
    const heard = (line: string): void => {
      const report = JSON.parse(line) as ChildReport
      if (report.type === 'failed') say(line)
      else say(`${report.type} lane ${lane + 1}: ${describe(report)}`)
    }
    return await runSeeds(['--first', first, '--count', `${share}`], { heard })
  })
  return (await Promise.all(lanes)).flat()
}

const isReplay = args[0]?.startsWith('--') ?? false
const reports = isReplay ? await replay() : await runMany(readCount(args[0] ?? '1000'))
const failure = failureIn(reports)
if (failure !== undefined) {
  if (failure.type === 'crashed') say(failure.detail ?? '')
  else say(`${failure.invariant}\n${failure.detail}\nreplay: ${failure.replay}`)
  process.exitCode = 1
}
