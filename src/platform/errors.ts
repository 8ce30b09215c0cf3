import { defineErrors } from '#kernel/errors.ts'

/** Refusals that any part of the node may answer with. */
export const platformErrors = defineErrors('platform', {
  invalid_request: { kind: 'invalid', title: 'The request does not fit its schema' },
  malformed_json: { kind: 'malformed', title: 'The body is not JSON' },
  route_not_found: { kind: 'not_found', title: 'No such route' },
  method_not_allowed: { kind: 'malformed', title: 'The route does not know this method' },
  unauthenticated: { kind: 'unauthenticated', title: 'Credentials are missing or wrong' },
  token_expired: { kind: 'unauthenticated', title: 'The token has expired' },
  forbidden: { kind: 'forbidden', title: 'The principal may not do this' },
  too_large: { kind: 'too_large', title: 'The request is too large' },
  rate_limited: { kind: 'rate_limited', title: 'Too many requests' },
  idempotency_key_required: { kind: 'invalid', title: 'An idempotency key is required' },
  idempotency_mismatch: {
    kind: 'invalid',
    title: 'The idempotency key was used with another input',
  },
  idempotency_running: {
    kind: 'conflict',
    title: 'A request with this idempotency key is still running',
  },
  operation_not_found: { kind: 'not_found', title: 'No such operation' },
  unavailable: { kind: 'unavailable', title: 'A part of the node is away; try again' },
  fenced: { kind: 'unavailable', title: 'Another process leads this role now' },
  unsafe_database: { kind: 'unavailable', title: 'The database does not keep what it commits' },
  migration_failed: { kind: 'unavailable', title: 'A migration failed' },
  stream_gap: { kind: 'unavailable', title: 'An event is missing from the stream' },
  topic_missing: { kind: 'unavailable', title: 'A topic is missing in Kafka' },
  topic_unfit: { kind: 'conflict', title: 'A topic of Kafka cannot keep the order of its stream' },
  internal: { kind: 'unavailable', title: 'The node failed to answer' },
})
