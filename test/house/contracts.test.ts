import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { assert } from '#kernel/assert.ts'
import { isJsonObject, parseJson } from '#kernel/json.ts'
import { describe, expect, test } from 'vitest'

const ROOT = new URL('../../', import.meta.url)
const MAX_LINES = 400
const MAX_CODE_BYTES = 16 * 1_024

function filesUnder(folder: string, extension: string): readonly string[] {
  return readdirSync(new URL(folder, ROOT), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(extension))
    .map((path) => `${folder}/${path}`)
    .toSorted()
}

function text(path: string): string {
  return readFileSync(new URL(path, ROOT), 'utf8')
}

/** Bytes of the code that would be deployed; 0 for what is abstract or all inlined. */
function codeBytes(path: string): number {
  const json = parseJson(text(path))
  assert(isJsonObject(json), 'an artifact is an object')
  const code = json['deployedBytecode']
  return typeof code === 'string' ? (code.length - 2) / 2 : 0
}

test('Pitfall25: every contract is below 400 lines and 16 KiB of code', () => {
  const long = filesUnder('contracts', '.sol').filter(
    (path) => text(path).split('\n').length - 1 >= MAX_LINES,
  )
  expect(long).toEqual([])
  const artifacts = filesUnder('artifacts/contracts', '.json')
  expect(artifacts.length).toBeGreaterThan(10)
  const large = artifacts
    .map((path) => [path, codeBytes(path)] as const)
    .filter(([, bytes]) => bytes >= MAX_CODE_BYTES)
  expect(large).toEqual([])
})

interface Pitfall {
  readonly number: number
  readonly answer: string
}

const pitfalls: readonly Pitfall[] = [
  ...text('test/contracts/PITFALLS.md').matchAll(/^\| (\d+) .*$/gm),
].map(([row, number]) => ({ number: Number(number), answer: row.split('|')[3]?.trim() ?? '' }))
const tests = [
  ...filesUnder('test/contracts', '.t.sol').map(text),
  ...filesUnder('test/house', '.test.ts').map(text),
].join('\n')

describe('pitfalls', () => {
  test('all thirty are answered, each once', () => {
    expect(pitfalls.map(({ number }) => number)).toEqual(
      Array.from({ length: 30 }, (_, index) => index + 1),
    )
  })

  test.each(pitfalls)(
    '$number has a test that is named after it, or a reason',
    ({ number, answer }) => {
      const name = /^`(.+)`$/.exec(answer)?.[1]
      if (name === undefined) {
        expect(answer).toMatch(/^not applicable: .+/)
        for (const [, path] of answer.matchAll(/`(test\/[^`]+)`/g))
          expect(existsSync(new URL(path ?? '', ROOT)), path).toBe(true)
        return
      }
      expect(name).toMatch(new RegExp(String.raw`Pitfall0*${number}(?!\d)`))
      expect(tests.includes(`function ${name}(`) || tests.includes(`test('${name}'`)).toBe(true)
    },
  )
})
