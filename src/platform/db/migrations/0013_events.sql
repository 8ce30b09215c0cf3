-- Events whose effect one group gave up on. Only groups whose effects are idempotent use it; the
-- others stop at such an event.
CREATE TABLE platform.dead_letter (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  consumer_group text NOT NULL,
  stream text NOT NULL,
  seq bigint NOT NULL CHECK (seq > 0),
  envelope jsonb NOT NULL,
  error text NOT NULL,
  attempts int NOT NULL CHECK (attempts > 0),
  -- Whether an operator asked for another attempt, which the group's consumer then makes.
  retry_wanted boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (consumer_group, stream, seq)
);

SELECT platform.grant_schema('platform');
