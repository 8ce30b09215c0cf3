import { theWorld } from '../world.ts'

export * from 'node:crypto'

/** A UUIDv7 of the virtual clock and the seed. */
export function randomUUIDv7(): string {
  return theWorld().uuid()
}

export function randomUUID(): string {
  return theWorld().uuid()
}

export function randomBytes(size: number): Buffer {
  return Buffer.from(Array.from({ length: size }, () => theWorld().rng.below(256)))
}
