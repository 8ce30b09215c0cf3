-- The same rows for less work: what is only kept and handed on stays the text it came as, and
-- checks look at all rows of a statement at once.

ALTER TABLE platform.outbox ALTER COLUMN payload TYPE json USING payload::json;
-- Pruned once it was read: compressing it would cost more time than writing it.
ALTER TABLE platform.outbox ALTER COLUMN payload SET STORAGE EXTERNAL;

DROP FUNCTION platform.append_events(jsonb, timestamptz);

-- Appends events to one stream with a gapless seq; bodies is an array. Call it last in a
-- transaction, stream by stream in the order of their names, so that writers cannot deadlock.
CREATE FUNCTION platform.append_events(
  p_stream text, p_ids uuid[], p_types text[], p_keys text[], p_bodies json, p_at timestamptz
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_amount bigint := cardinality(p_ids);
  v_last bigint;
BEGIN
  INSERT INTO platform.stream_head AS head (stream, seq) VALUES (p_stream, v_amount)
  ON CONFLICT (stream) DO UPDATE SET seq = head.seq + v_amount
  RETURNING head.seq INTO v_last;

  INSERT INTO platform.outbox (stream, seq, id, type, key, occurred_at, payload, size_bytes)
  SELECT p_stream, v_last - v_amount + place, id, type, key, p_at, body, octet_length(body::text)
  FROM ROWS FROM (unnest(p_ids, p_types, p_keys), json_array_elements(p_bodies))
    WITH ORDINALITY AS listed (id, type, key, body, place);
END
$$;

-- A block has one row and thousands of logs: their blocks are looked up once a statement.
ALTER TABLE chain.log DROP CONSTRAINT log_block_hash_fkey;
ALTER TABLE chain.log ALTER COLUMN block_hash TYPE text;

CREATE FUNCTION chain.require_blocks() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
  v_hash text;
BEGIN
  SELECT block_hash INTO v_hash FROM (SELECT DISTINCT block_hash FROM fresh) AS named
  WHERE NOT EXISTS (SELECT FROM chain.block WHERE hash = named.block_hash) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'logs of block %, which is unknown', v_hash USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER blocks_known AFTER INSERT ON chain.log
  REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION chain.require_blocks();
CREATE TRIGGER blocks_known_after_update AFTER UPDATE ON chain.log
  REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION chain.require_blocks();

CREATE FUNCTION chain.keep_blocks() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
  v_hash text;
BEGIN
  SELECT hash INTO v_hash FROM gone
  WHERE NOT EXISTS (SELECT FROM chain.block WHERE block.hash = gone.hash)
    AND EXISTS (SELECT FROM chain.log WHERE block_hash = gone.hash) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'block % has logs', v_hash USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER logs_kept AFTER DELETE ON chain.block
  REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION chain.keep_blocks();

-- Half of a page is left for the second state of its rows, which then needs no index entries.
ALTER TABLE payments.deposit SET (fillfactor = 50);

-- Deposits of a commit in one statement: a range of blocks may bring thousands. Of several words on
-- one deposit the last one holds. The planner, who knows nothing of the lengths, is kept from
-- reading whole tables.
CREATE OR REPLACE FUNCTION payments.apply_deposits(effects jsonb) RETURNS void
LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off
AS $$
DECLARE
  -- The id is a UUIDv7: time of first sight, then a digest of the place.
  v_seen text := lpad(to_hex(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || '7';
BEGIN
  MERGE INTO payments.deposit AS known
  USING (
    SELECT DISTINCT ON (listed.id COLLATE "C") listed.*, md5(listed.id) AS digest,
           substr(listed.type, length('deposit_') + 1) AS status
    FROM ROWS FROM (
      jsonb_to_recordset(effects)
        AS (type text, id text, account bigint, asset integer, amount bigint, block bigint)
    ) WITH ORDINALITY AS listed (type, id, account, asset, amount, block, place)
    WHERE listed.type IN ('deposit_incoming', 'deposit_final', 'deposit_retracted')
    ORDER BY listed.id COLLATE "C", listed.place DESC
  ) AS item ON known.ref = item.id
  WHEN MATCHED AND known.status <> 'final' THEN UPDATE
    SET status = item.status, block_number = item.block, updated_at = clock_timestamp()
  WHEN NOT MATCHED THEN INSERT (id, ref, account, asset, amount, status, tx_hash, block_number)
    VALUES ((v_seen || substr(item.digest, 1, 3) || '8' || substr(item.digest, 4, 15))::uuid,
            item.id, item.account, item.asset, item.amount, item.status,
            split_part(item.id, ':', 1), item.block);
END
$$;

DROP FUNCTION payments.deposit_id(timestamptz, text);

ALTER TABLE ledger.chain_block ALTER COLUMN events TYPE json USING events::json;
ALTER TABLE ledger.chain_block ALTER COLUMN events SET STORAGE EXTERNAL;

DROP FUNCTION ledger.commit_batch(
  bigint, bigint, bigint, bigint, bigint, bigint, bytea, bytea, text,
  bigint[], int[], bigint[], bigint[], int[], bigint[], text[], uuid[],
  bigint[], int[], bigint[], bigint[], numeric[], bigint[], bigint[], bigint[], bigint[],
  uuid[], bigint[], int[], bigint[], text[], bigint[], jsonb, jsonb, jsonb
);
DROP FUNCTION ledger.apply_rows(jsonb, bigint, timestamptz);

-- Writes one journal batch with all its consequences, or nothing. SQLSTATE MF001: another leader;
-- ML001: the batch does not follow the last one; ML002: a context has no handler; ML003: a block
-- that the table should have is not there.
-- The epoch leaves one writer, so MERGE needs none of ON CONFLICT's locks; a second row of a key would
-- fail the batch. The planner, who knows nothing of the lengths, is kept from reading whole tables.
CREATE FUNCTION ledger.commit_batch(
  p_epoch bigint, p_first bigint, p_last bigint, p_at_ms bigint, p_block bigint, p_block_time bigint,
  p_prev bytea, p_hash bytea, p_body text,
  t_seq bigint[], t_idx int[], t_debit bigint[], t_credit bigint[], t_asset int[], t_amount bigint[],
  t_code text[], t_ref uuid[],
  b_account bigint[], b_asset int[], b_posted bigint[], b_held bigint[], b_incoming numeric[],
  b_settled bigint[], b_floor bigint[], b_version bigint[], b_seq bigint[],
  h_id uuid[], h_account bigint[], h_asset int[], h_amount bigint[], h_kind text[], h_seq bigint[],
  p_rows jsonb, p_block_events json, p_effects jsonb, p_event json
) RETURNS void
LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off
AS $$
DECLARE
  v_at timestamptz := 'epoch'::timestamptz + p_at_ms * interval '1 millisecond';
  v_last bigint;
  v_hash bytea;
  v_context text;
  v_unknown text;
BEGIN
  PERFORM platform.require_epoch('engine', p_epoch);

  SELECT last_seq, hash INTO v_last, v_hash FROM ledger.journal_batch ORDER BY last_seq DESC LIMIT 1;
  IF v_last IS NULL THEN
    SELECT 0, sha256(convert_to(id::text, 'UTF8')) INTO v_last, v_hash FROM platform.instance;
  END IF;
  IF p_first <> v_last + 1 OR p_prev <> v_hash THEN
    RAISE EXCEPTION 'batch % does not follow %', p_first, v_last USING ERRCODE = 'ML001';
  END IF;

  INSERT INTO ledger.journal_batch
    (first_seq, last_seq, epoch, at, block_number, block_time, prev_hash, hash, body)
  VALUES (p_first, p_last, p_epoch, v_at, p_block, p_block_time, p_prev, p_hash, p_body);

  INSERT INTO ledger.transfer (seq, idx, debit, credit, asset, amount, code, ref)
  SELECT * FROM unnest(t_seq, t_idx, t_debit, t_credit, t_asset, t_amount, t_code, t_ref);

  -- settled comes as its change, so that a figure altered from outside is never written over.
  MERGE INTO ledger.balance AS balance
  USING unnest(b_account, b_asset, b_posted, b_held, b_incoming, b_settled, b_floor, b_version, b_seq)
    AS r (account, asset, posted, held, incoming, settled, floor, version, last_seq)
  ON balance.account = r.account AND balance.asset = r.asset
  WHEN MATCHED THEN UPDATE
    SET posted = r.posted, held = r.held, incoming = r.incoming,
        settled = balance.settled + r.settled, version = r.version, last_seq = r.last_seq
  WHEN NOT MATCHED THEN INSERT
    (account, asset, posted, held, incoming, settled, floor, version, last_seq)
    VALUES (r.account, r.asset, r.posted, r.held, r.incoming, r.settled, r.floor, r.version, r.last_seq);

  MERGE INTO ledger.hold AS hold
  USING unnest(h_id, h_account, h_asset, h_amount, h_kind, h_seq)
    AS r (id, account, asset, amount, kind, seq)
  ON hold.id = r.id
  WHEN MATCHED THEN UPDATE SET amount = r.amount
  WHEN NOT MATCHED THEN INSERT (id, account, asset, amount, kind, seq)
    VALUES (r.id, r.account, r.asset, r.amount, r.kind, r.seq);

  IF p_rows IS NOT NULL THEN
    PERFORM ledger.apply_rows(p_rows, p_block_events, p_last, v_at);
  END IF;

  IF p_effects IS NOT NULL THEN
    SELECT key INTO v_unknown FROM jsonb_object_keys(p_effects) AS key
    WHERE NOT EXISTS (SELECT FROM ledger.effect_handler WHERE context = key) LIMIT 1;
    IF v_unknown IS NOT NULL THEN
      RAISE EXCEPTION 'no effect handler of %', v_unknown USING ERRCODE = 'ML002';
    END IF;
    FOR v_context IN
      SELECT context FROM ledger.effect_handler WHERE p_effects ? context ORDER BY context
    LOOP
      EXECUTE format('SELECT %I.apply($1)', v_context) USING p_effects -> v_context;
    END LOOP;
  END IF;

  IF p_event IS NOT NULL THEN
    PERFORM platform.append_events('ledger.events', ARRAY[gen_random_uuid()],
      ARRAY['ledger.batch_committed.v1'], ARRAY['ledger'], p_event, v_at);
  END IF;
END
$$;

-- The rows of a batch that are rare: accounts, assets, blocks, idempotency keys, positions. The
-- events of the n-th new block are the n-th item of p_block_events; of a known one only the state.
CREATE FUNCTION ledger.apply_rows(p_rows jsonb, p_block_events json, p_seq bigint, p_at timestamptz)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_position record;
  v_known bigint;
BEGIN
  INSERT INTO ledger.account AS account (account, class, wallet, expires_at)
  SELECT * FROM jsonb_to_recordset(p_rows -> 'accounts')
    AS r (account bigint, class int, wallet text, expires_at bigint)
  ON CONFLICT (account) DO UPDATE
    SET class = excluded.class, wallet = excluded.wallet, expires_at = excluded.expires_at;

  INSERT INTO ledger.asset AS asset (asset, symbol, decimals, external, token, allowed_classes)
  SELECT * FROM jsonb_to_recordset(p_rows -> 'assets')
    AS r (asset int, symbol text, decimals int, external boolean, token text, allowed_classes int[])
  ON CONFLICT (asset) DO UPDATE
    SET symbol = excluded.symbol, decimals = excluded.decimals, external = excluded.external,
        token = excluded.token, allowed_classes = excluded.allowed_classes;

  INSERT INTO ledger.chain_block AS block (number, hash, at, events, state, seq)
  SELECT r.number, r.hash, r.at, r.events, r.state, p_seq
  FROM ROWS FROM (
    jsonb_to_recordset(p_rows -> 'blocks') AS (number bigint, hash text, at bigint, state text),
    json_array_elements(p_block_events)
  ) AS r (number, hash, at, state, events)
  ON CONFLICT (number, hash) DO UPDATE SET state = excluded.state, seq = excluded.seq;

  UPDATE ledger.chain_block AS block SET state = r.state, seq = p_seq
  FROM jsonb_to_recordset(p_rows -> 'known_blocks') AS r (number bigint, hash text, state text)
  WHERE block.number = r.number AND block.hash = r.hash;
  GET DIAGNOSTICS v_known = ROW_COUNT;
  IF v_known <> jsonb_array_length(p_rows -> 'known_blocks') THEN
    RAISE EXCEPTION '% of the known blocks are there', v_known USING ERRCODE = 'ML003';
  END IF;

  INSERT INTO platform.idempotency (scope, operation, key, input_hash, resource, created_at)
  SELECT r.scope, r.operation, r.key, decode(r.input_hash, 'hex'), r.resource, p_at
  FROM jsonb_to_recordset(p_rows -> 'idempotency')
    AS r (scope text, operation text, key text, input_hash text, resource text);

  FOR v_position IN
    SELECT * FROM jsonb_to_recordset(p_rows -> 'positions')
      AS r (consumer_group text, stream text, seq bigint, log_epoch bigint)
  LOOP
    PERFORM platform.write_position(
      v_position.consumer_group, v_position.stream, v_position.seq, v_position.log_epoch);
  END LOOP;
END
$$;

SELECT platform.grant_schema('platform');
SELECT platform.grant_schema('chain');
SELECT platform.grant_schema('ledger');
SELECT platform.grant_schema('payments');
