import { theWorld } from '../world.ts'

/** Keeps nothing: connections of the simulated network cost nothing. */
export class Agent {
  destroy(): Promise<void> {
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

interface Asked {
  readonly body?: string
}

/** A JSON-RPC request to one of the simulated endpoints. */
export async function request(
  url: string | URL,
  { body = '' }: Asked,
): Promise<{
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: { text(): Promise<string>; dump(): Promise<void> }
}> {
  const { status, text } = await theWorld().network(String(url), body)
  return {
    statusCode: status,
    headers: {},
    body: { text: () => Promise.resolve(text), dump: () => Promise.resolve() },
  }
}
