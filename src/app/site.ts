import type { Site } from '#accounts/siwe.ts'
import type { Config } from '#platform/config.ts'

/** What a wallet shows to its owner: where people open the API, which need not be where it listens. */
export function siteOf(
  { publicUrl, httpHost, httpPort }: Pick<Config, 'publicUrl' | 'httpHost' | 'httpPort'>,
  chainId: number,
): Site {
  const listens = `${httpHost}:${httpPort}`
  if (publicUrl === undefined) return { domain: listens, uri: `http://${listens}`, chainId }
  return { domain: new URL(publicUrl).host, uri: publicUrl, chainId }
}
