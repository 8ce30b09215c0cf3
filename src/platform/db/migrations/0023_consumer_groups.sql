-- Consumer groups come and go; whoever ends one from the command line leaves a trace.
-- What somebody did to the machinery of the node from the command line.
CREATE TABLE platform.operator_action (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  action text NOT NULL,
  detail jsonb NOT NULL,
  actor text NOT NULL DEFAULT session_user
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON platform.operator_action
  EXECUTE FUNCTION platform.refuse_change();

-- A consumer that has nothing to do says now and then that it is there.
ALTER TABLE platform.consumer_position
  ADD COLUMN seen_at timestamptz NOT NULL DEFAULT clock_timestamp();

SELECT platform.grant_schema('platform');
