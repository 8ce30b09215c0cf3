import { describe, expect, it } from 'vitest'
import { createLog, maskUrls } from '#platform/log.ts'

function capture(write: (log: ReturnType<typeof createLog>) => void): Record<string, unknown> {
  const lines: string[] = []
  write(createLog({ level: 'info', destination: { write: (line) => void lines.push(line) } }))
  return JSON.parse(lines[0] ?? '{}') as Record<string, unknown>
}

describe('createLog', () => {
  it('writes one line of JSON with time and level, and no host or process', () => {
    const line = capture((log) => log.warn({ event: 'block.retracted', number: 7 }))
    expect(Object.keys(line).toSorted()).toEqual(['event', 'level', 'number', 'time'])
    expect(line['level']).toBe('warn')
    expect(line['time']).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  })

  it('blots out secrets and personal data, nested too', () => {
    const line = capture((log) =>
      log.info({
        password: 's3cret',
        request: { headers: { authorization: 'Bearer s3cret' } },
        config: { settlerKey: 's3cret', databaseUrl: 's3cret', rpcUrls: ['s3cret'] },
        user: { email: 's3cret' },
      }),
    )
    expect(JSON.stringify(line)).not.toContain('s3cret')
  })

  it('keeps URLs of errors, and of their causes, to the host', () => {
    const cause = new RangeError('connect postgres://u:s3cret@db:5432/x failed')
    const error = new RangeError('call of https://rpc.example/v3/s3cret failed', { cause })
    const line = JSON.stringify(capture((log) => log.error({ error })))
    expect(line).not.toContain('s3cret')
    expect(line).toContain('rpc.example')
    expect(line).toContain('db:5432')
  })
})

describe('maskUrls', () => {
  it('leaves text without URLs and file URLs alone', () => {
    expect(maskUrls('a/b user@host')).toBe('a/b user@host')
    expect(maskUrls('at file:///a/b.ts:1')).toBe('at file:///a/b.ts:1')
  })
})
