import { describe, expect, it } from 'vitest'
import { formatPlace, PartAssembly, readPlace, splitText } from '#platform/events/parts.ts'

function partsOf(id: string, text: string, mostBytes: number) {
  const pieces = splitText(text, mostBytes)
  return pieces.map((bytes, index) => ({ id, place: index + 1, count: pieces.length, bytes }))
}

const take = (assembly: PartAssembly, parts: ReturnType<typeof partsOf>) =>
  parts.map((part) => assembly.take(part)).filter((text) => text !== undefined)

describe('parts', () => {
  it('cuts and joins text of any length, also inside a character', () => {
    for (const text of ['', 'abc', 'a€𝄞'.repeat(9)]) {
      for (const size of [1, 2, 3, 7, 1000]) {
        const parts = partsOf('a', text, size)
        expect(parts.every(({ bytes }) => bytes.length <= size)).toBe(true)
        const assembly = new PartAssembly()
        expect(take(assembly, parts)).toEqual([text])
        expect(assembly.isPending).toBe(false)
      }
    }
  })

  it('bears pieces that come twice or from two senders at once', () => {
    const [one, two, three] = partsOf('a', 'abc', 1)
    if (one === undefined || two === undefined || three === undefined) throw new RangeError('parts')
    expect(take(new PartAssembly(), [one, one, two, one, two, three])).toEqual(['abc'])
    expect(take(new PartAssembly(), [one, two, one, two, three, one, two, three])).toEqual([
      'abc',
      'abc',
    ])
  })

  it('keeps apart the events of two senders at different places', () => {
    const [x1, x2] = partsOf('x', 'XX', 1)
    const [y1, y2] = partsOf('y', 'YY', 1)
    if (!x1 || !x2 || !y1 || !y2) throw new RangeError('parts')
    const assembly = new PartAssembly()
    expect(take(assembly, [x1, x2, y1, x1, y2, x2])).toEqual(['XX', 'YY', 'XX'])
    expect(assembly.isPending).toBe(false)
  })

  it('gives up what does not grow, by count of events and of messages', () => {
    const heads = ['a', 'b', 'c', 'd', 'e'].map((id) => partsOf(id, `${id}.`, 1))
    const crowded = new PartAssembly()
    expect(
      take(
        crowded,
        heads.flatMap((parts) => parts.slice(0, 1)),
      ),
    ).toEqual([])
    expect(
      take(
        crowded,
        heads.flatMap((parts) => parts.slice(1)),
      ),
    ).toEqual(['b.', 'c.', 'd.', 'e.'])
    const idle = new PartAssembly()
    expect(take(idle, partsOf('a', 'ab', 1).slice(0, 1))).toEqual([])
    for (let message = 0; message < 4096; message += 1) idle.passOver()
    expect(idle.isPending).toBe(true)
    idle.passOver()
    expect(idle.isPending).toBe(false)
  })

  it('drops what has no beginning, and a beginning that has no end', () => {
    const assembly = new PartAssembly()
    const [, ...tail] = partsOf('a', 'abc', 1)
    expect(take(assembly, tail)).toEqual([])
    const [head] = partsOf('b', 'xyz', 1)
    expect(take(assembly, head === undefined ? [] : [head])).toEqual([])
    expect(assembly.isPending).toBe(true)
    expect(take(assembly, partsOf('c', 'whole', 2))).toEqual(['whole'])
  })

  it('reads the place of a piece and nothing else', () => {
    expect(readPlace(formatPlace({ place: 2, count: 3 }))).toEqual({ place: 2, count: 3 })
    for (const text of ['', '0/1', '3/2', '1/65', '1/', 'x', '1/2/3'])
      expect(readPlace(text)).toBeUndefined()
  })
})
