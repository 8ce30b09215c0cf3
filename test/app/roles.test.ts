import { describe, expect, it } from 'vitest'
import { requireSplitSettings } from '#app/roles.ts'
import { AppError } from '#kernel/errors.ts'
import { loadConfig } from '#platform/config.ts'

const INTERNAL_TOKEN = 'a token of length'

function refusal(environment: Record<string, string>): string | undefined {
  try {
    requireSplitSettings(loadConfig(environment))
    return undefined
  } catch (error) {
    if (error instanceof AppError) return `${error.code} ${error.message}`
    throw error
  }
}

describe('the settings of a split node', () => {
  it.each([
    [{}],
    [{ ROLES: 'watcher,txm' }],
    [{ ROLES: 'api', INTERNAL_TOKEN }],
    [{ ROLES: 'engine', INTERNAL_TOKEN }],
    [{ ROLES: 'engine', INTERNAL_TOKEN, INTERNAL_HOST: '0.0.0.0', ADVERTISED_HOST: 'engine' }],
    [{ ROLES: 'api', INTERNAL_TOKEN, INTERNAL_HOST: '0.0.0.0' }],
  ])('accepts %o', (environment) => {
    expect(refusal(environment)).toBeUndefined()
  })

  it.each([['api'], ['engine'], ['settler'], ['api,engine'], ['engine,settler,watcher']])(
    'wants a token of a process with %s alone',
    (roles) => {
      expect(refusal({ ROLES: roles })).toContain('INTERNAL_TOKEN')
    },
  )

  it.each([['0.0.0.0'], ['::']])(
    'wants an address to tell others when it listens at %s',
    (host) => {
      const environment = { ROLES: 'engine', INTERNAL_TOKEN, INTERNAL_HOST: host }
      expect(refusal(environment)).toContain('ADVERTISED_HOST')
    },
  )
})
