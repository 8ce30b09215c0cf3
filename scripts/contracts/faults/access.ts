import type { Fault } from './fault.ts'

const AUTHORITY = 'access/Authority.sol'

/** What the Solidity tests must find in contracts/access. */
export const ACCESS_FAULTS: readonly Fault[] = [
  {
    file: AUTHORITY,
    find: 'if (since != 0 && current > delay) delay = current;',
    replace: '',
  },
  { file: AUTHORITY, find: 'if (isUpgrade && roleId', replace: 'if (false && roleId' },
  { file: AUTHORITY, find: 'if (isBound[target]) revert TokenStaysHere(target);', replace: '' },
  {
    file: AUTHORITY,
    find: 'if (selector == IAccessManaged',
    replace: 'if (false && selector == IAccessManaged',
  },
  {
    file: 'access/AssetGoverned.sol',
    find: 'if (!isMember || delay != 0) revert',
    replace: 'if (!isMember) revert',
  },
  { file: AUTHORITY, find: 'if (isBound[token]) revert AlreadyBound(token);', replace: '' },
  {
    file: AUTHORITY,
    find: 'if (roleId == Roles.UPGRADER && delay < UPGRADE_DELAY)',
    replace: 'if (false)',
  },
]
