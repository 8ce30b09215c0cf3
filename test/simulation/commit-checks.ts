import { Client } from 'pg'

/**
 * Looks at each commit of a real server while it happens, as `Invariants` does on the simulated one:
 * deferred triggers run with everything that the transaction wrote. They only note what they find,
 * since a refusal would look like one more commit that failed.
 */
const CHECKS = `
CREATE SCHEMA simulation;
CREATE TABLE simulation.violation (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  invariant text NOT NULL,
  detail text NOT NULL
);
CREATE TABLE simulation.applied (messages bigint NOT NULL);
INSERT INTO simulation.applied VALUES (0);

CREATE FUNCTION simulation.note(holds boolean, invariant text, detail text) RETURNS void
LANGUAGE sql AS $$
  INSERT INTO simulation.violation (invariant, detail)
  SELECT invariant, detail WHERE holds IS NOT TRUE
$$;

CREATE FUNCTION simulation.check_position() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  passed bigint := coalesce((SELECT seq FROM platform.consumer_position
    WHERE consumer_group = 'engine' AND stream = 'chain.events'), 0);
  applied bigint := (SELECT messages FROM simulation.applied);
BEGIN
  PERFORM simulation.note(passed = applied, 'I7 exactly-once-effect',
    format('the position is %s, %s messages were applied', passed, applied));
END
$$;

CREATE FUNCTION simulation.journal() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  present bigint := (SELECT epoch FROM platform.fence WHERE role = 'engine');
BEGIN
  PERFORM simulation.note(NEW.epoch = present, 'I2 one-writer',
    format('batch %s of epoch %s in %s', NEW.first_seq, NEW.epoch, present));
  UPDATE simulation.applied SET messages = messages + (
    SELECT count(*) FROM jsonb_array_elements(NEW.body::jsonb -> 'commands') AS entry
    WHERE entry -> 'command' ->> 'type' IN ('apply_block', 'retract_block', 'finalize_block'));
  PERFORM simulation.check_position();
  RETURN NULL;
END
$$;

CREATE FUNCTION simulation.position_moved() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  PERFORM simulation.check_position();
  RETURN NULL;
END
$$;

CREATE FUNCTION simulation.balance() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  own ledger.balance;
  moved numeric;
  kept numeric;
BEGIN
  SELECT * INTO own FROM ledger.balance WHERE account = NEW.account AND asset = NEW.asset;
  SELECT coalesce(sum(CASE WHEN credit = own.account THEN amount ELSE -amount END), 0) INTO moved
  FROM ledger.transfer WHERE asset = own.asset AND own.account IN (debit, credit);
  SELECT coalesce(sum(amount), 0) INTO kept
  FROM ledger.hold WHERE account = own.account AND asset = own.asset;
  PERFORM simulation.note(own.posted = moved, 'I3 balanced',
    format('%s/%s: posted %s, transfers say %s', own.account, own.asset, own.posted, moved));
  PERFORM simulation.note(own.held = kept, 'I3 balanced',
    format('%s/%s: held %s, holds say %s', own.account, own.asset, own.held, kept));
  RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER simulated AFTER INSERT ON ledger.journal_batch
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION simulation.journal();
CREATE CONSTRAINT TRIGGER simulated AFTER INSERT OR UPDATE ON platform.consumer_position
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.consumer_group = 'engine')
  EXECUTE FUNCTION simulation.position_moved();
CREATE CONSTRAINT TRIGGER simulated AFTER INSERT OR UPDATE ON ledger.balance
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION simulation.balance();

GRANT USAGE ON SCHEMA simulation TO PUBLIC;
GRANT SELECT ON simulation.violation TO PUBLIC;
`

export const VIOLATIONS = 'SELECT id, invariant, detail FROM simulation.violation ORDER BY id'

/** Puts the checks into a migrated database. */
export async function installCommitChecks(url: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(CHECKS)
  } finally {
    await client.end()
  }
}
