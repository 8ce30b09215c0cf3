/**
 * Who may call what. Every function that can change something has an entry, or the test fails.
 *
 * - `open:X`: anyone; what the call does to whom is decided by signatures, rows or the caller's own account. A call
 *   without meaning by a stranger ends with the error X, or `passes`
 * - `role:X`: holders of X and of no other role, by the Authority
 * - `admin:E`: holders of ADMIN and of no other role, by the Authority about itself; anybody else gets the error E
 * - `token:X`: holders of X for the asset of this token, by the Authority
 * - `asset:X`: holders of X for the asset of the call, or of the stored row that the call names
 * - `only:E`: one contract, the account of a stored row, or nobody; whatever roles one holds, the error E says so
 */
type Rules = Readonly<Record<string, string>>

const MANAGED: Rules = { setAuthority: 'only:AccessManagedUnauthorized' }
const ERC20: Rules = {
  approve: 'open:ERC20InvalidSpender',
  permit: 'open:ECDSAInvalidSignature',
  transfer: 'open:ERC20InvalidReceiver',
  transferFrom: 'open:ERC20InvalidApprover',
}
const ADMIN_OF_AUTHORITY = 'admin:AccessManagerUnauthorizedAccount'
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
    execute: 'admin:AccessManagerUnauthorizedCall',
    schedule: 'only:AccessManagerUnauthorizedCall',
    bindAsset: 'only:NotAssetRegistry',
    cancel: 'open:AccessManagerNotScheduled',
    consumeScheduledOp: 'open:nothing said',
    multicall: 'open:passes',
    renounceRole: 'open:AccessManagerBadConfirmation',
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
    cancelClaim: 'open:passes',
    linkWallet: 'open:UnknownAccount',
    unlinkWallet: 'open:WalletUnknown',
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
    cancelAction: 'asset:ISSUER',
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
    raiseCeiling: 'open:CeilingNotRaisable',
    requestRedeem: 'open:Unregistered',
    cancelRedeem: 'only:NotRedeemer',
    settleRedeem: 'asset:ISSUER',
    claimRedeem: 'only:NotRedeemer',
  },
  ReserveGate: {
    ...MANAGED,
    setRule: 'role:RESERVE_ADMIN',
    setAttestors: 'role:RESERVE_ADMIN',
    attest: 'open:NoAttestors',
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
    deposit: 'open:Unregistered',
    depositWithPermit: 'open:AllowanceTooLow',
    requestExit: 'open:Unregistered',
    cancelExit: 'open:Unregistered',
    executeExit: 'open:Unregistered',
    enterExitMode: 'open:SettlementAlive',
    dvp: 'open:NothingOrdered',
  },
  DvpOrders: { fill: 'only:NotVault', cancel: 'open:passes' },
  Distributor: {
    ...MANAGED,
    open: 'asset:DISTRIBUTOR',
    claim: 'open:UnknownDistribution',
    collectWithheld: 'open:UnknownDistribution',
    sweep: 'open:UnknownDistribution',
  },
  CashToken: { ...ERC20, mint: 'open:ERC20InvalidReceiver' },
}
