import { EventEmitter } from 'node:events'
import { merkleRoot, type MerkleWork } from '#settlement/merkle-adapter.ts'
import { theWorld } from '../world.ts'

/** A worker thread that computes at once and answers a moment later, on the virtual clock. */
export class Worker extends EventEmitter {
  constructor(_file: URL, { workerData }: { readonly workerData: MerkleWork }) {
    super()
    const root = merkleRoot(workerData)
    theWorld().schedule(3, () => this.emit('message', root))
  }
}

export const parentPort = null
export const workerData = undefined
