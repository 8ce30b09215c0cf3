import { PassThrough } from 'node:stream'
import { expect, it } from 'vitest'
import { NodeOutput } from './node-output.ts'

it('puts lines together however the stream cuts them', async () => {
  const [output, stream, heard] = [new NodeOutput(), new PassThrough(), new Array<string>()]
  output.follow(stream, (line) => heard.push(line))
  stream.write('Mooring serves http://127.0')
  stream.write('.0.1:1 as api\nnext')
  stream.end('\n\n')
  const lines = ['Mooring serves http://127.0.0.1:1 as api', 'next']
  await expect.poll(() => heard).toEqual(lines)
  expect(output.newest(1)).toEqual(['next'])
})

it('finds what came after a moment, also when it has forgotten what came before', async () => {
  const [output, stream] = [new NodeOutput(), new PassThrough()]
  output.follow(stream, () => undefined)
  const numbered = (from: number, to: number): readonly string[] =>
    Array.from({ length: to - from }, (_, place) => String(from + place))
  stream.write(`${numbered(0, 5000).join('\n')}\n`)
  await expect.poll(() => output.printed).toBe(5000)
  stream.end(`${numbered(5000, 5100).join('\n')}\n`)
  await expect.poll(() => output.printed).toBe(5100)
  expect(output.after(5000)).toEqual(numbered(5000, 5100))
  expect(output.after(0)).toHaveLength(4000)
})
