const PREFIX = 'mk_'
const FORM = /^mk_[\w-]{32,128}$/

/** Whether a bearer is a key of ours, rather than a session token. */
export function isApiKey(bearer: string): boolean {
  return FORM.test(bearer)
}

/** The key of this much randomness, in base64url. */
export function formatApiKey(token: string): string {
  return PREFIX + token
}
