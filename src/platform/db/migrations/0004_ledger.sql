CREATE SCHEMA ledger;

CREATE TABLE ledger.account (
  account bigint PRIMARY KEY CHECK (account BETWEEN 1 AND 4294967295),
  class int NOT NULL CHECK (class BETWEEN 0 AND 84),
  wallet text,
  -- Unix seconds; null never expires.
  expires_at bigint
);

CREATE TABLE ledger.asset (
  asset int PRIMARY KEY CHECK (asset BETWEEN 0 AND 65535),
  symbol text NOT NULL,
  decimals int NOT NULL CHECK (decimals BETWEEN 0 AND 8),
  external boolean NOT NULL,
  token text,
  -- null allows every registered class.
  allowed_classes int[]
);

-- Ledger accounts: a chain account by its number; custody:asset from 2^32, issuance:asset from 2^33,
-- suspense:asset from 3 * 2^32. What is owed to the outside is negative and has a floor of its own.
CREATE TABLE ledger.balance (
  account bigint NOT NULL CHECK (account > 0),
  asset int NOT NULL CHECK (asset BETWEEN 0 AND 65535),
  posted bigint NOT NULL,
  held bigint NOT NULL CHECK (held >= 0),
  -- Seen on the chain and not final: not bounded by us.
  incoming numeric(39, 0) NOT NULL CHECK (incoming >= 0),
  settled bigint NOT NULL,
  floor bigint NOT NULL CHECK (floor <= 0),
  version bigint NOT NULL,
  last_seq bigint NOT NULL,
  PRIMARY KEY (account, asset),
  CONSTRAINT covered CHECK (posted::numeric - held >= floor)
) WITH (fillfactor = 50);

CREATE TABLE ledger.journal_batch (
  first_seq bigint PRIMARY KEY CHECK (first_seq > 0),
  last_seq bigint NOT NULL UNIQUE,
  epoch bigint NOT NULL,
  at timestamptz NOT NULL,
  -- The last block that the core had applied at the end of the batch.
  block_number bigint,
  block_time bigint,
  prev_hash bytea NOT NULL CHECK (octet_length(prev_hash) = 32),
  hash bytea NOT NULL UNIQUE,
  body text NOT NULL,
  CHECK (last_seq >= first_seq),
  CONSTRAINT chained CHECK (hash = sha256(prev_hash || convert_to(body, 'UTF8')))
);
-- Compressing it would cost more time than writing it.
ALTER TABLE ledger.journal_batch ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.journal_batch
  EXECUTE FUNCTION platform.refuse_change();

CREATE TABLE ledger.transfer (
  seq bigint NOT NULL,
  idx int NOT NULL CHECK (idx >= 0),
  debit bigint NOT NULL,
  credit bigint NOT NULL,
  asset int NOT NULL,
  amount bigint NOT NULL CHECK (amount > 0),
  code text NOT NULL CHECK (code IN
    ('trade_base', 'trade_quote', 'fee', 'deposit', 'withdrawal', 'mint', 'burn', 'suspense')),
  ref uuid,
  PRIMARY KEY (seq, idx),
  CHECK (debit <> credit)
);
CREATE INDEX transfer_ref ON ledger.transfer (ref) WHERE ref IS NOT NULL;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.transfer
  EXECUTE FUNCTION platform.refuse_change();

-- Amount 0 means released.
CREATE TABLE ledger.hold (
  id uuid PRIMARY KEY,
  account bigint NOT NULL,
  asset int NOT NULL,
  amount bigint NOT NULL CHECK (amount >= 0),
  kind text NOT NULL CHECK (kind IN ('order', 'withdrawal')),
  seq bigint NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE ledger.chain_block (
  number bigint NOT NULL CHECK (number >= 0),
  hash text NOT NULL,
  -- Unix seconds.
  at bigint NOT NULL,
  events jsonb NOT NULL,
  state text NOT NULL CHECK (state IN ('applied', 'final', 'retracted')),
  seq bigint NOT NULL,
  PRIMARY KEY (number, hash)
);
CREATE INDEX chain_block_applied ON ledger.chain_block (number) WHERE state = 'applied';
CREATE INDEX chain_block_final ON ledger.chain_block (number) WHERE state = 'final';

-- Contexts that write rows of their own in the commit of a batch, by `<context>.apply(jsonb)`.
CREATE TABLE ledger.effect_handler (
  context text PRIMARY KEY
);

-- Writes one journal batch with all its consequences, or nothing. SQLSTATE MF001: another leader;
-- ML001: the batch does not follow the last one; ML002: a context has no handler.
CREATE FUNCTION ledger.commit_batch(
  p_epoch bigint, p_first bigint, p_last bigint, p_at_ms bigint, p_block bigint, p_block_time bigint,
  p_prev bytea, p_hash bytea, p_body text,
  t_seq bigint[], t_idx int[], t_debit bigint[], t_credit bigint[], t_asset int[], t_amount bigint[],
  t_code text[], t_ref uuid[],
  b_account bigint[], b_asset int[], b_posted bigint[], b_held bigint[], b_incoming numeric[],
  b_settled bigint[], b_floor bigint[], b_version bigint[], b_seq bigint[],
  h_id uuid[], h_account bigint[], h_asset int[], h_amount bigint[], h_kind text[], h_seq bigint[],
  p_rows jsonb, p_effects jsonb, p_events jsonb
) RETURNS void
LANGUAGE plpgsql AS $$
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
  INSERT INTO ledger.balance AS balance
    (account, asset, posted, held, incoming, settled, floor, version, last_seq)
  SELECT * FROM unnest(b_account, b_asset, b_posted, b_held, b_incoming, b_settled, b_floor, b_version, b_seq)
  ON CONFLICT (account, asset) DO UPDATE
    SET posted = excluded.posted, held = excluded.held, incoming = excluded.incoming,
        settled = balance.settled + excluded.settled, version = excluded.version, last_seq = excluded.last_seq;

  INSERT INTO ledger.hold AS hold (id, account, asset, amount, kind, seq)
  SELECT * FROM unnest(h_id, h_account, h_asset, h_amount, h_kind, h_seq)
  ON CONFLICT (id) DO UPDATE SET amount = excluded.amount;

  IF p_rows IS NOT NULL THEN
    PERFORM ledger.apply_rows(p_rows, p_last, v_at);
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

  IF p_events IS NOT NULL THEN
    PERFORM platform.append_events(p_events, v_at);
  END IF;
END
$$;

-- The rows of a batch that are rare: accounts, assets, blocks, idempotency keys, positions.
CREATE FUNCTION ledger.apply_rows(p_rows jsonb, p_seq bigint, p_at timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_position record;
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
  FROM jsonb_to_recordset(p_rows -> 'blocks')
    AS r (number bigint, hash text, at bigint, events jsonb, state text)
  ON CONFLICT (number, hash) DO UPDATE SET state = excluded.state, seq = excluded.seq;

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

SELECT platform.grant_schema('ledger');
