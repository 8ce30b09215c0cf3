import type { IncomingMessage } from 'node:http'
import { parseJson } from '#kernel/json.ts'
import { platformErrors } from '../errors.ts'

const MAX_BYTES = 1024 * 1024
const MAX_DRAINED_BYTES = 8 * MAX_BYTES

/**
 * Reads a JSON body; no body reads as `{}`. Throws `platform.malformed_json` for anything but one
 * UTF-8 JSON text of type application/json, `platform.too_large` beyond 1 MiB.
 */
export async function readBody(request: IncomingMessage): Promise<unknown> {
  const bytes = await readBytes(request)
  if (bytes.length === 0) return {}
  const type = request.headers['content-type'] ?? ''
  if (!/^application\/json\s*(;\s*charset=("?)utf-8\2\s*)?$/i.test(type)) {
    throw platformErrors.malformed_json('the body must be of type application/json')
  }
  return parse(bytes)
}

/** Reads on for a while when there is too much, or the client would not hear why it is refused. */
async function readBytes(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    const bytes = Buffer.from(chunk as Uint8Array)
    size += bytes.length
    if (size <= MAX_BYTES) chunks.push(bytes)
    if (size > MAX_DRAINED_BYTES) break
  }
  if (size > MAX_BYTES) throw platformErrors.too_large(`a body may have ${MAX_BYTES} bytes`)
  return Buffer.concat(chunks)
}

function parse(bytes: Buffer): unknown {
  try {
    return parseJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw platformErrors.malformed_json(undefined, { cause })
  }
}
