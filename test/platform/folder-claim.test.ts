import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { FolderClaim } from '#platform/folder-claim.ts'

let folder = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mooring-claim-'))
})

afterEach(() => {
  rmSync(folder, { recursive: true })
})

it('keeps a second one out until the first gives it up', () => {
  const file = join(folder, 'claim.json')
  const first = new FolderClaim(file)
  expect(first.take()).toBeUndefined()
  expect(new FolderClaim(file).take()).toBe(process.pid)
  first.release()
  expect(new FolderClaim(file).take()).toBeUndefined()
})

it('leaves the claim of another where it is when it was refused', () => {
  const file = join(folder, 'claim.json')
  new FolderClaim(file).take()
  const refused = new FolderClaim(file)
  refused.take()
  refused.release()
  expect(existsSync(file)).toBe(true)
})
