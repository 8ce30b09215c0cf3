import { parentPort, workerData } from 'node:worker_threads'
import { merkleRoot, type MerkleWork } from './merkle-adapter.ts'

/** Hashes a tree beside the event loop and answers its root. */
const work: MerkleWork = workerData
parentPort?.postMessage(merkleRoot(work))
