-- Leadership as a lease. The advisory lock alone would stay with a leader that was paused: its
-- connection stays open. A leader therefore renews its row, and a standby that finds the row stale
-- ends the connection that holds the lock. What keeps the data right is still the epoch.
ALTER TABLE platform.leader
  ADD COLUMN backend integer,
  ADD COLUMN renewed_at timestamptz NOT NULL DEFAULT clock_timestamp();

-- Takes the lock, raises the epoch (which waits for the running writes of the former leader) and
-- begins the lease, in one statement, so that no leader can stop half way. NULL while another leads.
CREATE FUNCTION platform.lead(p_role text, p_space integer, p_number integer, p_address text)
RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  won bigint;
BEGIN
  IF NOT pg_try_advisory_lock(p_space, p_number) THEN
    RETURN NULL;
  END IF;
  UPDATE platform.fence SET epoch = epoch + 1 WHERE role = p_role RETURNING epoch INTO STRICT won;
  INSERT INTO platform.leader (role, epoch, address, backend, renewed_at)
  VALUES (p_role, won, p_address, pg_backend_pid(), clock_timestamp())
  ON CONFLICT (role) DO UPDATE
  SET epoch = excluded.epoch, address = excluded.address, backend = excluded.backend,
      renewed_at = excluded.renewed_at, since = clock_timestamp();
  RETURN won;
END
$$;

-- Prolongs the lease of the connection that asks; false once the role has another leader or epoch.
CREATE FUNCTION platform.renew_lead(p_role text, p_epoch bigint) RETURNS boolean
LANGUAGE sql AS $$
  WITH renewed AS (
    UPDATE platform.leader l SET renewed_at = clock_timestamp()
    WHERE l.role = p_role AND l.backend = pg_backend_pid()
      AND EXISTS (SELECT FROM platform.fence f WHERE f.role = l.role AND f.epoch = p_epoch)
    RETURNING l.role
  )
  SELECT EXISTS (SELECT FROM renewed)
$$;

-- The connection that holds the lock of a role whose lease ran out; none while the lease is good.
CREATE FUNCTION platform.lapsed_backend(
  p_role text, p_space integer, p_number integer, p_lease interval
) RETURNS integer
LANGUAGE sql AS $$
  SELECT held.pid FROM pg_locks held JOIN platform.leader l ON l.backend = held.pid
  WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 2
    AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND held.classid = p_space::oid AND held.objid = p_number::oid
    AND l.role = p_role AND l.renewed_at < clock_timestamp() - p_lease
$$;

-- A recovering engine reads the keys of the last minutes; rows come in the order of their time.
CREATE INDEX idempotency_created_at ON platform.idempotency USING brin (created_at)
  WITH (pages_per_range = 16, autosummarize = on);
CREATE INDEX order_created_at ON trading."order" USING brin (created_at)
  WITH (pages_per_range = 16, autosummarize = on);
