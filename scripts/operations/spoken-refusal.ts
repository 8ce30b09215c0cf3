import { RpcRefusal } from '#chain/rpc-refusal.ts'
import { isJsonObject } from '#kernel/json.ts'
import type { Eip1193Provider } from 'ethers'

/**
 * The same provider, which throws what the endpoint said. An endpoint that refuses with an HTTP status of its own says
 * why in the body; Hardhat keeps that beside the cause of its error, and ethers hands on nothing but the message.
 */
export function speaking(provider: Eip1193Provider): Eip1193Provider {
  return {
    request: async (question) => {
      try {
        const answer: unknown = await provider.request(question)
        return answer
      } catch (error) {
        const said = refusalIn(error)
        if (said === undefined) throw error
        const [code, message] = [Number(said['code']), String(said['message'])]
        throw new RpcRefusal({ method: question.method, code, message })
      }
    },
  }
}

function refusalIn(error: unknown): Record<string, unknown> | undefined {
  if (!(error instanceof Error)) return undefined
  const body: unknown = 'body' in error ? error.body : undefined
  const said = isJsonObject(body) ? body['error'] : undefined
  return isJsonObject(said) ? said : refusalIn(error.cause)
}
