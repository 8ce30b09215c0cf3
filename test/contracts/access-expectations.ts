/**
 * Who may call what. Every function that can change something has an entry, or the test fails.
 *
 * - `open`: anyone; what the call does to whom is decided by signatures, rows or the caller's own account
 * - `role:X`: holders of X, by the Authority
 * - `token:X`: holders of X for the asset of this token, by the Authority
 * - `asset:X`: holders of X for the asset of the call
 * - `row:test`: holders of a role for the asset of a stored row; the Solidity test shows it
 * - `only:E`: one contract, or nobody; the error E says so
 */
type Rules = Readonly<Record<string, string>>

const MANAGED: Rules = { setAuthority: 'only:AccessManagedUnauthorized' }
const ERC20: Rules = { approve: 'open', permit: 'open', transfer: 'open', transferFrom: 'open' }
const ADMIN_OF_AUTHORITY = 'only:AccessManagerUnauthorizedAccount'
const MODULE: Rules = { ...MANAGED, record: 'only:NotEngine', detached: 'only:NotEngine' }

export const MODULES = [
  'ClassAndCountryMask',
  'ConditionalApproval',
  'LockUp',
  'MaxBalance',
  'MaxHolders',
] as const

export const EXPECTED: Readonly<Record<string, Rules>> = {
  Authority: {
    labelRole: ADMIN_OF_AUTHORITY,
    grantRole: ADMIN_OF_AUTHORITY,
    revokeRole: ADMIN_OF_AUTHORITY,
    setRoleAdmin: ADMIN_OF_AUTHORITY,
    setRoleGuardian: ADMIN_OF_AUTHORITY,
    setGrantDelay: ADMIN_OF_AUTHORITY,
    setTargetFunctionRole: ADMIN_OF_AUTHORITY,
    setTargetAdminDelay: ADMIN_OF_AUTHORITY,
    setTargetClosed: ADMIN_OF_AUTHORITY,
    updateAuthority: ADMIN_OF_AUTHORITY,
    execute: 'only:AccessManagerUnauthorizedCall',
    schedule: 'only:AccessManagerUnauthorizedCall',
    bindAsset: 'only:NotAssetRegistry',
    cancel: 'open',
    consumeScheduledOp: 'open',
    multicall: 'open',
    renounceRole: 'open',
  },
  InvestorRegistry: {
    ...MANAGED,
    register: 'role:REGISTRAR',
    registerWithClaims: 'role:REGISTRAR',
    setClass: 'role:REGISTRAR',
    revokeWallet: 'role:REGISTRAR',
    trustIssuer: 'role:POLICY_ADMIN',
    freeze: 'role:FREEZER',
    unfreeze: 'role:FREEZER',
    vetoRecovery: 'role:FREEZER',
    proposeRecovery: 'role:RECOVERY',
    executeRecovery: 'role:RECOVERY',
    cancelClaim: 'open',
    linkWallet: 'open',
    unlinkWallet: 'open',
  },
  PolicyEngine: {
    ...MANAGED,
    enforce: 'only:NotToken',
    addModule: 'role:POLICY_ADMIN',
    removeModule: 'role:POLICY_ADMIN',
    forceRemoveModule: 'role:POLICY_ADMIN',
  },
  ClassAndCountryMask: { ...MODULE, setCountries: 'role:ADMIN', setMask: 'role:ADMIN' },
  ConditionalApproval: { ...MODULE, approve: 'role:ADMIN' },
  LockUp: { ...MODULE, setLock: 'role:ADMIN' },
  MaxBalance: { ...MODULE, setLimit: 'role:ADMIN' },
  MaxHolders: { ...MODULE, setLimit: 'role:ADMIN' },
  AssetToken: {
    ...MANAGED,
    ...ERC20,
    initialize: 'only:InvalidInitialization',
    mint: 'only:NotSupplyController',
    burn: 'only:NotSupplyController',
    pause: 'token:PAUSER',
    unpause: 'token:UNPAUSER',
    setFrozenTokens: 'token:FREEZER',
    setFrozenIf: 'token:FREEZER',
    forcedTransferWithDocument: 'token:ENFORCER',
    recover: 'token:ENFORCER',
    forcedTransfer: 'role:ADMIN',
    upgradeToAndCall: 'role:UPGRADER',
  },
  AssetRegistry: {
    ...MANAGED,
    createAsset: 'role:REGISTRAR',
    listExternal: 'role:ADMIN',
    setDocument: 'asset:ISSUER',
    removeDocument: 'asset:ISSUER',
    announceAction: 'asset:ISSUER',
    cancelAction: 'row:test_OnlyTheIssuerOfTheAssetSpeaksForIt',
  },
  SupplyController: {
    ...MANAGED,
    applySupply: 'only:NotClearingHouse',
    open: 'only:NotAssetRegistry',
    setCeiling: 'role:SUPPLY_ADMIN',
    setLine: 'role:SUPPLY_ADMIN',
    setRate: 'role:SUPPLY_ADMIN',
    setReserveGate: 'role:SUPPLY_ADMIN',
    lowerCeiling: 'role:PAUSER',
    raiseCeiling: 'open',
    requestRedeem: 'open',
    cancelRedeem: 'row:test_ARedemptionIsItsHoldersAndTheIssuersOfItsAssetOnly',
    settleRedeem: 'row:test_ARedemptionIsItsHoldersAndTheIssuersOfItsAssetOnly',
    claimRedeem: 'row:test_ARedemptionIsItsHoldersAndTheIssuersOfItsAssetOnly',
  },
  ReserveGate: {
    ...MANAGED,
    setRule: 'role:RESERVE_ADMIN',
    setAttestors: 'role:RESERVE_ADMIN',
    attest: 'open',
  },
  ClearingHouse: {
    ...MANAGED,
    settle: 'role:SETTLER',
    withdraw: 'role:SETTLER',
    pause: 'role:PAUSER',
    unpause: 'role:UNPAUSER',
    setAttestors: 'role:ATTESTOR_ADMIN',
    setTurnoverCap: 'role:RISK_ADMIN',
    listAsset: 'only:NotAssetRegistry',
    syncFlags: 'only:NotInvestorRegistry',
    syncWallet: 'only:NotInvestorRegistry',
    deposit: 'open',
    depositWithPermit: 'open',
    requestExit: 'open',
    cancelExit: 'open',
    executeExit: 'open',
    enterExitMode: 'open',
    dvp: 'open',
  },
  DvpOrders: { fill: 'only:NotVault', cancel: 'open' },
  Distributor: {
    ...MANAGED,
    open: 'asset:DISTRIBUTOR',
    claim: 'open',
    collectWithheld: 'open',
    sweep: 'open',
  },
  CashToken: { ...ERC20, mint: 'open' },
}
