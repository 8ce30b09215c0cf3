import { readFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { ROLES } from '#accounts/rbac.ts'
import { parseJson } from '#kernel/json.ts'
import { writeDurably } from '#platform/durable-file.ts'

const Identity = z.object({
  role: z.enum(ROLES),
  email: z.string(),
  password: z.string(),
  apiKey: z.string(),
  privateKey: z.string().optional(),
})

/** A demo user as the sandbox remembers it, secrets included. */
export type Identity = z.infer<typeof Identity>

const Keys = z.object({
  deployer: z.string(),
  settler: z.string(),
  registrar: z.string(),
  admin: z.string(),
  jwt: z.string(),
})

/** The keys that the sandbox makes for itself on its first start. */
export type SandboxKeys = z.infer<typeof Keys>

const Secrets = z.object({ keys: Keys, identities: z.array(Identity) })
export type Secrets = z.infer<typeof Secrets>

/** `<home>/secrets.json`, mode 0600: what a second start of the same sandbox needs to know again. */
export class SecretsFile {
  readonly #path: string

  constructor(home: string) {
    this.#path = join(home, 'secrets.json')
  }

  read(): Secrets | undefined {
    if (!existsSync(this.#path)) return undefined
    return Secrets.parse(parseJson(readFileSync(this.#path, 'utf8')))
  }

  write(secrets: Secrets): void {
    writeDurably(this.#path, `${JSON.stringify(secrets, null, 2)}\n`, 0o600)
  }
}
