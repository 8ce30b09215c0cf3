import { readKeystore } from '#chain/keystore-adapter.ts'
import type { SignerKey } from '#chain/module.ts'
import { ConfigError, type Config } from '#platform/config.ts'
import { appErrors } from './errors.ts'

/** The ways in which a key may be given. */
interface Given {
  readonly name: 'SETTLER' | 'REGISTRAR'
  readonly key: string | undefined
  readonly keystore: string | undefined
  readonly password: string | undefined
  readonly url: string | undefined
  readonly address: string | undefined
}

/** The keys of a process that plays `txm`, and none for any other; throws what is missing. */
export function signerKeys(config: Config): {
  readonly settler?: SignerKey
  readonly registrar?: SignerKey
} {
  if (!config.roles.includes('txm')) return {}
  return {
    settler: keyOf({
      name: 'SETTLER',
      key: config.settlerKey,
      keystore: config.settlerKeystore,
      password: config.settlerKeystorePassword,
      url: config.settlerSignerUrl,
      address: config.settlerSignerAddress,
    }),
    registrar: keyOf({
      name: 'REGISTRAR',
      key: config.registrarKey,
      keystore: config.registrarKeystore,
      password: config.registrarKeystorePassword,
      url: config.registrarSignerUrl,
      address: config.registrarSignerAddress,
    }),
  }
}

function keyOf({ name, key, keystore, password, url, address }: Given): SignerKey {
  const ways = [key, keystore, url].filter((way) => way !== undefined).length
  if (ways > 1) {
    throw new ConfigError(`${name}_KEY`, `excludes ${name}_KEYSTORE and ${name}_SIGNER_URL`)
  }
  if (key !== undefined) return key
  if (keystore !== undefined) {
    const variable = `${name}_KEYSTORE_PASSWORD`
    if (password === undefined) throw new ConfigError(variable, `is needed for ${name}_KEYSTORE`)
    return openKeystore(name, keystore, password)
  }
  if (url !== undefined) {
    if (address !== undefined) return { url, address }
    throw new ConfigError(`${name}_SIGNER_ADDRESS`, `is needed for ${name}_SIGNER_URL`)
  }
  throw appErrors.setting_missing(
    `set ${name}_KEY, ${name}_KEYSTORE or ${name}_SIGNER_URL; a file is given as @path`,
  )
}

function openKeystore(name: string, keystore: string, password: string): string {
  try {
    return readKeystore(keystore, password)
  } catch {
    throw new ConfigError(`${name}_KEYSTORE`, 'cannot be opened with its password')
  }
}
