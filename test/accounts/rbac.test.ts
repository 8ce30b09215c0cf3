import { expect, it } from 'vitest'
import { PERMISSIONS, ROLES, isRole, permissionsOf } from '#accounts/rbac.ts'

it('knows its roles and no other', () => {
  expect(ROLES.every(isRole)).toBe(true)
  expect(isRole('root')).toBe(false)
})

it('gives the permissions of all roles together', () => {
  const both = permissionsOf(['investor', 'issuer'])
  expect(both).toEqual(permissionsOf(['investor']).union(permissionsOf(['issuer'])))
  expect(both.has('assets:write') && both.has('orders:write')).toBe(true)
  expect(both.has('settlements:write')).toBe(false)
})

it('narrows by scopes and never widens', () => {
  const scoped = permissionsOf(['investor'], ['orders:read', 'users:write'])
  expect([...scoped]).toEqual(['orders:read'])
  expect(permissionsOf(['admin'], [])).toEqual(new Set())
})

it('lets nobody but officers decide, operators settle and administrators manage users', () => {
  const holders = (permission: string) =>
    ROLES.filter((role) => permissionsOf([role]).has(permission))
  expect(holders('registrations:write')).toEqual(['compliance'])
  expect(holders('settlements:write')).toEqual(['operator'])
  expect(holders('users:write')).toEqual(['admin'])
  expect(holders('assets:approve')).toEqual(['issuer', 'operator'])
  expect(holders('journal:read')).toEqual(['auditor'])
  expect([...PERMISSIONS].every((each) => /^[a-z]+:[a-z]+$/.test(each))).toBe(true)
})
