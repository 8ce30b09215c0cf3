import { ACCESS_FAULTS } from './faults/access.ts'
import { COMPLIANCE_FAULTS } from './faults/compliance.ts'
import { INVARIANT_FAULTS } from './faults/invariants.ts'
import { SETTLEMENT_FAULTS } from './faults/settlement.ts'
import { SUPPLY_FAULTS } from './faults/supply.ts'
import { TOKEN_FAULTS } from './faults/token.ts'
import type { Fault } from './faults/fault.ts'

/** Every fault, those of the invariants first. */
export const FAULTS: readonly Fault[] = [
  ...INVARIANT_FAULTS,
  ...ACCESS_FAULTS,
  ...COMPLIANCE_FAULTS,
  ...SETTLEMENT_FAULTS,
  ...SUPPLY_FAULTS,
  ...TOKEN_FAULTS,
]
