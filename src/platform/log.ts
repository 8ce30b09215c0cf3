import { pino, type DestinationStream, type Logger, type LoggerOptions } from 'pino'

/** Structured log; each line has `event` or `msg`, none has personal data or a secret. */
export type Log = Logger

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

const SECRET_NAMES = [
  'authorization',
  'cookie',
  'password',
  'secret',
  'token',
  'access_token',
  'accessToken',
  'api_key',
  'apiKey',
  'private_key',
  'privateKey',
  'jwtPrivateKey',
  'settlerKey',
  'registrarKey',
  'mnemonic',
  'databaseUrl',
  'migrationDatabaseUrl',
  'connectionString',
  'rpcUrl',
  'rpcUrls',
  'email',
]

/** A line of JSON per entry, to standard output or to `destination`. */
export function createLog(options: { level: LogLevel; destination?: DestinationStream }): Log {
  const settings: LoggerOptions = {
    level: options.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: {
      paths: SECRET_NAMES.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
      censor: '[redacted]',
    },
    serializers: { error: serializeError, err: serializeError },
  }
  return options.destination === undefined ? pino(settings) : pino(settings, options.destination)
}

/** Errors of drivers carry connection strings and row values; these fields are safe. */
function serializeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: maskUrls(String(error)) }
  return {
    type: error.name,
    message: maskUrls(error.message),
    ...('code' in error && { code: error.code }),
    stack: maskUrls(error.stack ?? ''),
    ...(error.cause !== undefined && { cause: serializeError(error.cause) }),
  }
}

/** Keeps scheme and host of every URL, since paths, queries and user parts hold keys. */
export function maskUrls(text: string): string {
  return text.replace(
    /\b([a-z][a-z0-9+.-]*:\/\/)(?:[^\s/@]*@)?([^\s/?#'"]*)([/?#][^\s'"),]*)?/gi,
    (_match, scheme: string, host: string, rest: string | undefined) =>
      /^file/i.test(scheme) ? `${scheme}${host}${rest ?? ''}` : `${scheme}${host}`,
  )
}
