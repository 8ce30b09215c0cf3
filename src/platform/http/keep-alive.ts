/**
 * How long an idle connection stays open: longer than the minute after which clients and load balancers
 * drop theirs, since one that we close while a request is on its way loses that request.
 */
export const KEEP_ALIVE_MS = 65_000
