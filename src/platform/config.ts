import { readFileSync } from 'node:fs'
import { z } from 'zod'
import {
  address,
  broker,
  integer,
  keystore,
  list,
  postgresUrl,
  privateKey,
  publicUrl,
  rpcUrl,
  secret,
  signerUrl,
} from './config-values.ts'
import type { LogLevel } from './log.ts'
import { maskUrls } from './log.ts'

export const NODE_ROLES = [
  'api',
  'engine',
  'settler',
  'watcher',
  'txm',
  'relay',
  'projector',
  'jobs',
] as const

/** A part of the node that a process plays. */
export type NodeRole = (typeof NODE_ROLES)[number]

export interface Config {
  readonly httpPort: number
  readonly httpHost: string
  readonly publicUrl?: string | undefined
  readonly metricsHost?: string | undefined
  readonly databaseUrl?: string | undefined
  readonly migrationDatabaseUrl?: string | undefined
  readonly databasePoolSize: number
  readonly rpcUrls: readonly string[]
  readonly chainRpcPort: number
  readonly kafkaBrokers: readonly string[]
  readonly kafkaCreateTopics: boolean
  readonly kafkaReplicationFactor?: number | undefined
  readonly kafkaMinInSyncReplicas?: number | undefined
  readonly outboxKeepHours: number
  readonly idempotencyKeepHours: number
  readonly home: string
  readonly cashSymbol: string
  readonly cashDecimals: number
  readonly settlementIntervalMs: number
  readonly finalityDepth?: number | undefined
  readonly roles: readonly NodeRole[]
  readonly internalPort: number
  readonly internalHost: string
  readonly internalToken?: string | undefined
  readonly advertisedHost?: string | undefined
  readonly logLevel: LogLevel
  readonly rateLimits: readonly string[]
  readonly addressesFile?: string | undefined
  readonly settlerKey?: string | undefined
  readonly registrarKey?: string | undefined
  readonly settlerKeystore?: string | undefined
  readonly settlerKeystorePassword?: string | undefined
  readonly settlerSignerUrl?: string | undefined
  readonly settlerSignerAddress?: string | undefined
  readonly registrarKeystore?: string | undefined
  readonly registrarKeystorePassword?: string | undefined
  readonly registrarSignerUrl?: string | undefined
  readonly registrarSignerAddress?: string | undefined
  readonly feeCeilingGwei: number
  readonly feeBumpBlocks: number
  readonly signerMinBalanceGwei: number
  readonly jwtPrivateKey?: string | undefined
}

/** The environment, which nothing else in the program reads. */
export type Environment = Readonly<Record<string, string | undefined>>

/** One line that names the variable and its rule; it never repeats the value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly variable: string

  constructor(variable: string, rule: string) {
    super(`${variable} ${rule}`)
    this.variable = variable
  }
}

const SCHEMA = {
  HTTP_PORT: integer(0, 65_535).default(8080).describe('Port of the API; 0 takes a free one'),
  HTTP_HOST: z.string().min(1).default('127.0.0.1').describe('Interface of the API'),
  PUBLIC_URL: publicUrl.describe(
    'Where people open the API, for the message that wallets sign; HTTP_HOST and HTTP_PORT when unset',
  ),
  METRICS_HOST: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Address that may read /metrics besides loopback; 0.0.0.0 lets everybody who reaches the internal listener, or the API without one',
    ),
  DATABASE_URL: postgresUrl.optional().describe('Postgres of the node'),
  MIGRATION_DATABASE_URL: postgresUrl
    .optional()
    .describe('Postgres as the owner of the tables; DATABASE_URL when unset'),
  DATABASE_POOL_SIZE: integer(4, 500).default(16).describe('Connections to Postgres, at most'),
  RPC_URLS: list
    .pipe(z.array(rpcUrl))
    .default([])
    .describe('JSON-RPC endpoints of the chain, separated by commas'),
  CHAIN_RPC_PORT: integer(0, 65_535).default(8545).describe('Port of the sandbox chain'),
  KAFKA_BROKERS: list
    .pipe(z.array(broker))
    .default([])
    .describe(
      'Kafka brokers as host:port, separated by commas; events stay in Postgres when unset',
    ),
  KAFKA_CREATE_TOPICS: z
    .enum(['true', 'false'], { error: 'must be true or false' })
    .transform((text) => text === 'true')
    .default(false)
    .describe('Whether the node makes missing topics; else `topics create` does, beforehand'),
  KAFKA_REPLICATION_FACTOR: integer(1, 9)
    .optional()
    .describe('Copies of each topic made; 3, or as many as there are brokers, when unset'),
  KAFKA_MIN_INSYNC_REPLICAS: integer(1, 9)
    .optional()
    .describe('Copies that must have an event of a topic made; one less than all when unset'),
  OUTBOX_KEEP_HOURS: integer(0, 87_600)
    .default(168)
    .describe('Hours that Postgres keeps events which every reader has passed'),
  IDEMPOTENCY_KEEP_HOURS: integer(1, 87_600)
    .default(168)
    .describe('Hours that an Idempotency-Key is remembered'),
  MOORING_HOME: z
    .string()
    .min(1)
    .default('.mooring')
    .describe('Folder of the sandbox and its files'),
  CASH_SYMBOL: z
    .string()
    .regex(/^[A-Z][A-Z0-9]{1,11}$/, 'must be 2 to 12 capital letters and digits')
    .default('USD')
    .describe('Symbol of cash, asset 0'),
  CASH_DECIMALS: integer(0, 8)
    .default(6)
    .describe(
      'Decimals of cash in the ledger: those of its token, less what the vault scales away',
    ),
  SETTLEMENT_INTERVAL_MS: integer(0, 86_400_000)
    .default(60_000)
    .describe('Time between settlements; 0 settles on demand only'),
  FINALITY_DEPTH: integer(0, 10_000)
    .optional()
    .describe('Blocks on top of a final one; the finalized tag of the chain when unset'),
  ROLES: list
    .transform((roles) => (roles.length === 0 || roles.includes('all') ? [...NODE_ROLES] : roles))
    .pipe(z.array(z.enum(NODE_ROLES, `must be of ${NODE_ROLES.join(', ')} or all`)))
    .default([...NODE_ROLES])
    .describe(
      'Parts of the node that this process plays, separated by commas; projector has no service yet',
    ),
  INTERNAL_PORT: integer(0, 65_535)
    .default(0)
    .describe('Port for the other processes of the node and for probes; 0 takes a free one'),
  INTERNAL_HOST: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .describe('Interface for the other processes of the node'),
  INTERNAL_TOKEN: z
    .string()
    .min(16, 'must have at least 16 characters')
    .optional()
    .describe('Secret that the processes of one node share; needed when its roles are split'),
  ADVERTISED_HOST: z
    .string()
    .min(1)
    .optional()
    .describe('Host under which other processes reach this one; INTERNAL_HOST when unset'),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
      error: 'must be trace, debug, info, warn, error, fatal or silent',
    })
    .default('info')
    .describe('Least level that is logged'),
  RATE_LIMITS: list
    .pipe(
      z.array(
        z
          .string()
          .regex(
            /^(public|login|read|write|orders)=[1-9]\d{0,8}\/[1-9]\d{0,4}$/,
            'must be such as orders=120000/60 (bucket=requests/seconds), separated by commas',
          ),
      ),
    )
    .default([])
    .describe(
      'Requests that one caller may make: public, login, read, write, orders, as bucket=requests/seconds',
    ),
  ADDRESSES_FILE: z.string().min(1).optional().describe('File with the addresses of the contracts'),
  SETTLER_KEY: privateKey.optional().describe('Key that sends settlements and withdrawals'),
  REGISTRAR_KEY: privateKey.optional().describe('Key that registers wallets and assets'),
  SETTLER_KEYSTORE: keystore.describe('Encrypted key of the settler, in place of SETTLER_KEY'),
  SETTLER_KEYSTORE_PASSWORD: secret.describe('Password of SETTLER_KEYSTORE'),
  SETTLER_SIGNER_URL: signerUrl.describe(
    'eth_signTransaction endpoint with the key of the settler',
  ),
  SETTLER_SIGNER_ADDRESS: address.describe('Address of the key behind SETTLER_SIGNER_URL'),
  REGISTRAR_KEYSTORE: keystore.describe('Encrypted key of the registrar, for REGISTRAR_KEY'),
  REGISTRAR_KEYSTORE_PASSWORD: secret.describe('Password of REGISTRAR_KEYSTORE'),
  REGISTRAR_SIGNER_URL: signerUrl.describe(
    'eth_signTransaction endpoint with the key of the registrar',
  ),
  REGISTRAR_SIGNER_ADDRESS: address.describe('Address of the key behind REGISTRAR_SIGNER_URL'),
  FEE_CEILING_GWEI: integer(1, 1_000_000)
    .default(500)
    .describe('Most that a unit of gas may cost; above it nothing new is sent'),
  FEE_BUMP_BLOCKS: integer(1, 1000)
    .default(6)
    .describe('Blocks after which a transaction that is not mined pays an eighth more'),
  SIGNER_MIN_BALANCE_GWEI: integer(0, 1_000_000_000_000)
    .default(10_000_000)
    .describe('Least that a signer must hold for new transactions'),
  JWT_PRIVATE_KEY: z
    .string()
    .regex(
      /-----BEGIN PRIVATE KEY-----/,
      'must be a PKCS8 PEM, or @ and the path of a file with one',
    )
    .optional()
    .describe('Ed25519 key that signs session tokens'),
}

type Variable = keyof typeof SCHEMA

const SECRETS: ReadonlySet<string> = new Set<Variable>([
  'SETTLER_KEY',
  'REGISTRAR_KEY',
  'SETTLER_KEYSTORE',
  'SETTLER_KEYSTORE_PASSWORD',
  'REGISTRAR_KEYSTORE',
  'REGISTRAR_KEYSTORE_PASSWORD',
  'JWT_PRIVATE_KEY',
  'INTERNAL_TOKEN',
])

const environmentSchema = z.object(SCHEMA)

/** The environment of this process. */
export function readEnvironment(): Environment {
  return { ...process.env }
}

/** Reads the variables of the node and ignores all others; throws `ConfigError`. */
export function loadConfig(environment: Environment): Config {
  const given = Object.keys(SCHEMA).flatMap((name) => {
    const value = environment[name]?.trim()
    return value === undefined || value === '' ? [] : [[name, resolveFile(name, value)] as const]
  })
  const parsed = environmentSchema.safeParse(Object.fromEntries(given))
  if (parsed.success) return toConfig(parsed.data)
  const issue = parsed.error.issues[0]
  throw new ConfigError(String(issue?.path[0] ?? 'configuration'), issue?.message ?? 'is wrong')
}

function toConfig(values: z.infer<typeof environmentSchema>): Config {
  return {
    httpPort: values.HTTP_PORT,
    httpHost: values.HTTP_HOST,
    publicUrl: values.PUBLIC_URL,
    metricsHost: values.METRICS_HOST,
    databaseUrl: values.DATABASE_URL,
    migrationDatabaseUrl: values.MIGRATION_DATABASE_URL ?? values.DATABASE_URL,
    databasePoolSize: values.DATABASE_POOL_SIZE,
    rpcUrls: values.RPC_URLS,
    chainRpcPort: values.CHAIN_RPC_PORT,
    kafkaBrokers: values.KAFKA_BROKERS,
    kafkaCreateTopics: values.KAFKA_CREATE_TOPICS,
    kafkaReplicationFactor: values.KAFKA_REPLICATION_FACTOR,
    kafkaMinInSyncReplicas: values.KAFKA_MIN_INSYNC_REPLICAS,
    outboxKeepHours: values.OUTBOX_KEEP_HOURS,
    idempotencyKeepHours: values.IDEMPOTENCY_KEEP_HOURS,
    home: values.MOORING_HOME,
    cashSymbol: values.CASH_SYMBOL,
    cashDecimals: values.CASH_DECIMALS,
    settlementIntervalMs: values.SETTLEMENT_INTERVAL_MS,
    finalityDepth: values.FINALITY_DEPTH,
    roles: [...new Set(values.ROLES)],
    internalPort: values.INTERNAL_PORT,
    internalHost: values.INTERNAL_HOST,
    internalToken: values.INTERNAL_TOKEN,
    advertisedHost: values.ADVERTISED_HOST,
    logLevel: values.LOG_LEVEL,
    rateLimits: values.RATE_LIMITS,
    addressesFile: values.ADDRESSES_FILE,
    settlerKey: values.SETTLER_KEY,
    registrarKey: values.REGISTRAR_KEY,
    settlerKeystore: values.SETTLER_KEYSTORE,
    settlerKeystorePassword: values.SETTLER_KEYSTORE_PASSWORD,
    settlerSignerUrl: values.SETTLER_SIGNER_URL,
    settlerSignerAddress: values.SETTLER_SIGNER_ADDRESS,
    registrarKeystore: values.REGISTRAR_KEYSTORE,
    registrarKeystorePassword: values.REGISTRAR_KEYSTORE_PASSWORD,
    registrarSignerUrl: values.REGISTRAR_SIGNER_URL,
    registrarSignerAddress: values.REGISTRAR_SIGNER_ADDRESS,
    feeCeilingGwei: values.FEE_CEILING_GWEI,
    feeBumpBlocks: values.FEE_BUMP_BLOCKS,
    signerMinBalanceGwei: values.SIGNER_MIN_BALANCE_GWEI,
    jwtPrivateKey: values.JWT_PRIVATE_KEY,
  }
}

/** A secret may be `@path`: the content of that file. */
function resolveFile(name: string, value: string): string {
  if (!SECRETS.has(name) || !value.startsWith('@')) return value
  try {
    return readFileSync(value.slice(1), 'utf8').trim()
  } catch {
    throw new ConfigError(name, 'names a file that cannot be read')
  }
}

const MASK = '********'

/** The setting that each variable becomes. */
const FIELD_OF: Readonly<Record<Variable, keyof Config>> = {
  HTTP_PORT: 'httpPort',
  HTTP_HOST: 'httpHost',
  PUBLIC_URL: 'publicUrl',
  METRICS_HOST: 'metricsHost',
  DATABASE_URL: 'databaseUrl',
  MIGRATION_DATABASE_URL: 'migrationDatabaseUrl',
  DATABASE_POOL_SIZE: 'databasePoolSize',
  RPC_URLS: 'rpcUrls',
  CHAIN_RPC_PORT: 'chainRpcPort',
  KAFKA_BROKERS: 'kafkaBrokers',
  KAFKA_CREATE_TOPICS: 'kafkaCreateTopics',
  KAFKA_REPLICATION_FACTOR: 'kafkaReplicationFactor',
  KAFKA_MIN_INSYNC_REPLICAS: 'kafkaMinInSyncReplicas',
  OUTBOX_KEEP_HOURS: 'outboxKeepHours',
  IDEMPOTENCY_KEEP_HOURS: 'idempotencyKeepHours',
  MOORING_HOME: 'home',
  CASH_SYMBOL: 'cashSymbol',
  CASH_DECIMALS: 'cashDecimals',
  SETTLEMENT_INTERVAL_MS: 'settlementIntervalMs',
  FINALITY_DEPTH: 'finalityDepth',
  ROLES: 'roles',
  INTERNAL_PORT: 'internalPort',
  INTERNAL_HOST: 'internalHost',
  INTERNAL_TOKEN: 'internalToken',
  ADVERTISED_HOST: 'advertisedHost',
  LOG_LEVEL: 'logLevel',
  RATE_LIMITS: 'rateLimits',
  ADDRESSES_FILE: 'addressesFile',
  SETTLER_KEY: 'settlerKey',
  REGISTRAR_KEY: 'registrarKey',
  SETTLER_KEYSTORE: 'settlerKeystore',
  SETTLER_KEYSTORE_PASSWORD: 'settlerKeystorePassword',
  SETTLER_SIGNER_URL: 'settlerSignerUrl',
  SETTLER_SIGNER_ADDRESS: 'settlerSignerAddress',
  REGISTRAR_KEYSTORE: 'registrarKeystore',
  REGISTRAR_KEYSTORE_PASSWORD: 'registrarKeystorePassword',
  REGISTRAR_SIGNER_URL: 'registrarSignerUrl',
  REGISTRAR_SIGNER_ADDRESS: 'registrarSignerAddress',
  FEE_CEILING_GWEI: 'feeCeilingGwei',
  FEE_BUMP_BLOCKS: 'feeBumpBlocks',
  SIGNER_MIN_BALANCE_GWEI: 'signerMinBalanceGwei',
  JWT_PRIVATE_KEY: 'jwtPrivateKey',
}

export interface VariableDescription {
  readonly name: string
  readonly description: string
  /** As this process sees it: keys masked, of each URL only scheme and host; undefined when unset. */
  readonly value: string | undefined
}

/** Every variable that the node knows, in the order in which people look for them. */
export function describeVariables(config: Config): readonly VariableDescription[] {
  return Object.entries(SCHEMA).map(([name, schema]) => ({
    name,
    description: schema.description ?? '',
    value: shownValue(name, config),
  }))
}

function shownValue(name: string, config: Config): string | undefined {
  const variable = Object.entries(FIELD_OF).find(([candidate]) => candidate === name)
  const value = variable === undefined ? undefined : config[variable[1]]
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return undefined
  return SECRETS.has(name) ? MASK : [value].flat().map(String).map(maskUrls).join(',')
}
