import { describe, expect, it } from 'vitest'
import { siteOf } from '#app/site.ts'
import { loadConfig } from '#platform/config.ts'

describe('siteOf', () => {
  it('names the public address, whatever interface the API listens at', () => {
    const config = loadConfig({ HTTP_HOST: '0.0.0.0', PUBLIC_URL: 'https://exchange.example/' })
    expect(siteOf(config, 1)).toEqual({
      domain: 'exchange.example',
      uri: 'https://exchange.example',
      chainId: 1,
    })
  })

  it('names the interface where nothing else is said', () => {
    const site = { domain: '127.0.0.1:8080', uri: 'http://127.0.0.1:8080', chainId: 31337 }
    expect(siteOf(loadConfig({}), 31337)).toEqual(site)
    expect(siteOf(loadConfig({ PUBLIC_URL: 'http://127.0.0.1:8080' }), 31337)).toEqual(site)
  })
})
