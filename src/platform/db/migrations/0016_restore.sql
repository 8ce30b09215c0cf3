-- What each context does once its tables came back from a backup, before anything else works on
-- them. The chain and the brokers may know more than these tables: what was not sent yet might have
-- been sent in the life that was lost, so nothing goes out before a person has looked.

-- A log epoch that no former life had, even when one backup is restored twice.
CREATE FUNCTION platform.restored() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE platform.instance
  SET log_epoch = greatest(log_epoch + 1, extract(epoch FROM clock_timestamp())::bigint);
  UPDATE platform.fence SET epoch = epoch + 1;
  DELETE FROM platform.leader;
END
$$;

CREATE FUNCTION chain.restored() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE chain.tx_request
  SET state = 'held', error = 'restored from a backup: it may have been sent in the life that was lost'
  WHERE state = 'requested';
END
$$;

CREATE FUNCTION settlement.restored() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  halt_reason constant text := 'restored from a backup: reconcile, then resume';
BEGIN
  UPDATE settlement.state
  SET status = 'halted', reason = halt_reason, changed_at = clock_timestamp();
  INSERT INTO settlement.incident (kind, reason, actor) VALUES ('halted', halt_reason, 'restore');
END
$$;
