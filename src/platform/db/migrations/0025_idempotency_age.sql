-- Keys go once they are old. Rows that come later take the places of those that went, so a summary of
-- each run of pages would soon say nothing about their age; a tree also serves the engine that recovers.
CREATE INDEX idempotency_age ON platform.idempotency (created_at);
DROP INDEX platform.idempotency_created_at;
