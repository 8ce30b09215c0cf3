/** Why the node follows some events of its contracts and not others. */
const WALLETS_ONLY = 'tokens of wallets, which no lane knows'
const RIGHTS = 'who may do what; the call that is refused says so'
const LIMITS = 'a limit that the chain checks; what it refuses comes back as a revert'
const ASKED = 'asked of the contract when it matters'
const SAME_ACCOUNT = 'who may act for an account; its own events name the account, whoever acted'
const NOT_YET = 'nothing changes until PrimaryWalletChanged'
const TOLD = 'the node itself asked for it, or only reads it'

/** Events of the suite that the node does not read, with the reason, by contract. */
export const IGNORED_EVENTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Authority: {
    AssetBound: RIGHTS,
    OperationCanceled: RIGHTS,
    OperationExecuted: RIGHTS,
    OperationScheduled: RIGHTS,
    RoleAdminChanged: RIGHTS,
    RoleGrantDelayChanged: RIGHTS,
    RoleGranted: RIGHTS,
    RoleGuardianChanged: RIGHTS,
    RoleLabel: RIGHTS,
    RoleRevoked: RIGHTS,
    TargetAdminDelayUpdated: RIGHTS,
    TargetClosed: RIGHTS,
    TargetFunctionRoleUpdated: RIGHTS,
  },
  InvestorRegistry: {
    AuthorityUpdated: RIGHTS,
    ClaimAccepted: 'AccountRegistered says what came of it',
    ClaimCancelled: 'AccountRegistered says what comes of the others',
    EIP712DomainChanged: 'never emitted: the domain is fixed',
    IssuerTrusted: RIGHTS,
    RecoveryExecuted: 'PrimaryWalletChanged of the same transaction says it',
    RecoveryProposed: NOT_YET,
    RecoveryVetoed: NOT_YET,
    WalletLinked: SAME_ACCOUNT,
    WalletUnlinked: SAME_ACCOUNT,
  },
  PolicyEngine: {
    AuthorityUpdated: RIGHTS,
    ModuleAdded: WALLETS_ONLY,
    ModuleFailed: WALLETS_ONLY,
    ModuleRemoved: WALLETS_ONLY,
  },
  AssetToken: {
    Approval: WALLETS_ONLY,
    AuthorityUpdated: RIGHTS,
    EIP712DomainChanged: 'never emitted: the domain is fixed',
    ForcedByOrder: WALLETS_ONLY,
    ForcedTransfer: WALLETS_ONLY,
    Frozen: WALLETS_ONLY,
    FrozenByOrder: WALLETS_ONLY,
    Initialized: WALLETS_ONLY,
    Paused: LIMITS,
    Recovered: WALLETS_ONLY,
    Transfer: WALLETS_ONLY,
    Unpaused: LIMITS,
    Upgraded: WALLETS_ONLY,
  },
  AssetRegistry: {
    ActionAnnounced: TOLD,
    ActionCancelled: TOLD,
    AuthorityUpdated: RIGHTS,
    DocumentRemoved: TOLD,
    DocumentUpdated: TOLD,
  },
  SupplyController: {
    AuthorityUpdated: RIGHTS,
    CeilingSet: LIMITS,
    LineSet: LIMITS,
    RateSet: LIMITS,
    RedemptionCancelled: WALLETS_ONLY,
    RedemptionClaimed: WALLETS_ONLY,
    RedemptionRequested: WALLETS_ONLY,
    ReserveGateSet: ASKED,
  },
  ClearingHouse: {
    AttestorsSet: LIMITS,
    AuthorityUpdated: RIGHTS,
    DvpSettled: WALLETS_ONLY,
    TurnoverCapSet: LIMITS,
  },
  ReserveGate: {
    AttestorsSet: ASKED,
    AuthorityUpdated: RIGHTS,
    ReserveAttested: ASKED,
    RuleSet: ASKED,
  },
  Distributor: {
    AuthorityUpdated: RIGHTS,
    DistributionClaimed: WALLETS_ONLY,
    DistributionOpened: WALLETS_ONLY,
    DistributionSwept: WALLETS_ONLY,
    WithheldCollected: WALLETS_ONLY,
  },
  CashToken: {
    Approval: WALLETS_ONLY,
    EIP712DomainChanged: 'never emitted: the domain is fixed',
    Transfer: WALLETS_ONLY,
  },
}
