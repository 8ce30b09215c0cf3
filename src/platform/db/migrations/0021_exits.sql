-- What the core keeps of freezes and exits: seen in any block, minus ended in final ones.
ALTER TABLE ledger.account
  ADD COLUMN freezes int NOT NULL DEFAULT 0 CHECK (freezes >= 0),
  ADD COLUMN exits int NOT NULL DEFAULT 0 CHECK (exits >= 0),
  -- Unix seconds of the last request's block.
  ADD COLUMN exit_at bigint;
CREATE INDEX account_leaving ON ledger.account (exit_at) WHERE exits > 0;

-- One row: whether a block was seen that ends settlement for good.
CREATE TABLE ledger.mode (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  is_exit_mode boolean NOT NULL
);
INSERT INTO ledger.mode (is_exit_mode) VALUES (false);

ALTER TABLE ledger.transfer DROP CONSTRAINT transfer_code_check;
ALTER TABLE ledger.transfer ADD CONSTRAINT transfer_code_check CHECK (code IN
  ('trade_base', 'trade_quote', 'fee', 'reversal', 'deposit', 'withdrawal', 'exit', 'mint', 'burn', 'suspense'));
ALTER TABLE ledger.hold DROP CONSTRAINT hold_kind_check;
ALTER TABLE ledger.hold ADD CONSTRAINT hold_kind_check CHECK (kind IN ('order', 'withdrawal', 'exit'));

-- An exit that a reorg moved, or a withdrawal that was paid after it had failed, holds once more under its id:
-- the row then tells the command that did it last.
CREATE OR REPLACE FUNCTION ledger.commit_batch(
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
  WHEN MATCHED THEN UPDATE SET amount = r.amount, kind = r.kind, seq = r.seq
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

-- The rows of a batch that are rare: accounts, the mode, assets, blocks, idempotency keys, positions. The
-- events of the n-th new block are the n-th item of p_block_events; of a known one only the state.
CREATE OR REPLACE FUNCTION ledger.apply_rows(p_rows jsonb, p_block_events json, p_seq bigint, p_at timestamptz)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_position record;
  v_known bigint;
BEGIN
  INSERT INTO ledger.account AS account (account, class, wallet, expires_at, freezes, exits, exit_at)
  SELECT * FROM jsonb_to_recordset(p_rows -> 'accounts')
    AS r (account bigint, class int, wallet text, expires_at bigint, freezes int, exits int, exit_at bigint)
  ON CONFLICT (account) DO UPDATE
    SET class = excluded.class, wallet = excluded.wallet, expires_at = excluded.expires_at,
        freezes = excluded.freezes, exits = excluded.exits, exit_at = excluded.exit_at;

  UPDATE ledger.mode SET is_exit_mode = r.is_exit_mode
  FROM jsonb_to_recordset(p_rows -> 'modes') AS r (is_exit_mode boolean);

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

SELECT platform.grant_schema('ledger');

-- No batch will ever be accepted again; nobody resumes from this.
ALTER TABLE settlement.state
  ADD COLUMN is_ended boolean NOT NULL DEFAULT false,
  ADD CHECK (NOT is_ended OR status = 'halted');

CREATE FUNCTION settlement.end_settlement(is_final boolean) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  halt_reason constant text := 'exit mode: settlement has ended, wallets take their balances out themselves';
BEGIN
  UPDATE settlement.state
  SET status = 'halted', reason = halt_reason, is_ended = is_ended OR is_final, changed_at = clock_timestamp();
  INSERT INTO settlement.incident (kind, reason, actor) VALUES ('halted', halt_reason, 'chain');
END
$$;

-- The block that ended settlement left the chain before it was final.
CREATE FUNCTION settlement.retract_end() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  halt_reason constant text := 'exit mode was entered in a block that left the chain: reconcile, then resume';
BEGIN
  UPDATE settlement.state SET reason = halt_reason, changed_at = clock_timestamp()
  WHERE status = 'halted' AND NOT is_ended;
  INSERT INTO settlement.incident (kind, reason, actor) VALUES ('halted', halt_reason, 'chain');
END
$$;

-- What has ended stays ended, and says so, whatever backup it comes from.
CREATE OR REPLACE FUNCTION settlement.restored() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  halt_reason constant text := 'restored from a backup: reconcile, then resume';
BEGIN
  UPDATE settlement.state
  SET status = 'halted', reason = halt_reason, changed_at = clock_timestamp()
  WHERE NOT is_ended;
  INSERT INTO settlement.incident (kind, reason, actor) VALUES ('halted', halt_reason, 'restore');
END
$$;

-- Called by the ledger's commit, in its transaction, with what the core saw on chain.
CREATE OR REPLACE FUNCTION settlement.apply(effects jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  effect jsonb;
  effect_type text;
BEGIN
  FOR effect IN SELECT item FROM jsonb_array_elements(effects) WITH ORDINALITY AS listed (item, place) ORDER BY place
  LOOP
    effect_type := effect ->> 'type';
    IF effect_type = 'batch_mined' THEN
      UPDATE settlement.batch
      SET status = 'mined', tx_hash = coalesce(effect ->> 'tx_hash', tx_hash),
          block_number = (effect ->> 'block')::bigint, updated_at = clock_timestamp()
      WHERE head = effect ->> 'head' AND status IN ('netted', 'submitted', 'reverted');
    ELSIF effect_type = 'batch_retracted' THEN
      UPDATE settlement.batch
      SET status = 'submitted', block_number = NULL, gas_used = NULL, updated_at = clock_timestamp()
      WHERE sequence = (effect ->> 'sequence')::bigint AND status = 'mined';
    ELSIF effect_type = 'batch_final' THEN
      UPDATE settlement.batch
      SET status = 'final', block_number = coalesce((effect ->> 'block')::bigint, block_number),
          updated_at = clock_timestamp()
      WHERE sequence = (effect ->> 'sequence')::bigint AND status = 'mined';
    ELSIF effect_type IN ('exit_mode_seen', 'exit_mode_final') THEN
      PERFORM settlement.end_settlement(effect_type = 'exit_mode_final');
    ELSIF effect_type = 'exit_mode_retracted' THEN
      PERFORM settlement.retract_end();
    ELSIF effect_type <> 'block_final' THEN
      RAISE EXCEPTION 'settlement cannot apply %', effect_type;
    END IF;
  END LOOP;
END
$$;

SELECT platform.grant_schema('settlement');

-- A withdrawal fails when its account leaves with the whole balance. Its transaction is then called back; one that
-- is paid all the same is a payment again.
ALTER TABLE payments.withdrawal ADD COLUMN is_recalled boolean NOT NULL DEFAULT false;
CREATE INDEX withdrawal_to_recall ON payments.withdrawal (id)
  WHERE status = 'failed' AND tx_key IS NOT NULL AND NOT is_recalled;

CREATE OR REPLACE FUNCTION payments.apply_withdrawal(effect jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  effect_type text := effect ->> 'type';
  withdrawal_id uuid := (effect ->> 'id')::uuid;
  is_paid boolean := effect_type IN ('withdrawal_mined', 'withdrawal_final');
BEGIN
  IF effect_type = 'withdrawal_requested' THEN
    INSERT INTO payments.withdrawal (id, account, asset, amount, status, hold_seq)
    VALUES (withdrawal_id, (effect ->> 'account')::bigint, (effect ->> 'asset')::integer,
            (effect ->> 'amount')::bigint, 'requested', (effect ->> 'seq')::bigint);
    RETURN;
  END IF;
  UPDATE payments.withdrawal
  SET status = CASE effect_type
        WHEN 'withdrawal_mined' THEN 'mined'
        WHEN 'withdrawal_retracted' THEN 'submitted'
        WHEN 'withdrawal_final' THEN 'final'
        WHEN 'withdrawal_failed' THEN 'failed'
      END,
      -- What the chain paid was sent, whatever a backup remembers.
      tx_key = CASE WHEN is_paid THEN coalesce(tx_key, 'withdraw:' || id) ELSE tx_key END,
      tx_hash = coalesce(effect ->> 'tx_hash', tx_hash),
      block_number = CASE
        WHEN effect_type IN ('withdrawal_retracted', 'withdrawal_failed') THEN NULL
        ELSE coalesce((effect ->> 'block')::bigint, block_number)
      END,
      updated_at = clock_timestamp()
  WHERE id = withdrawal_id AND (status NOT IN ('final', 'failed') OR (status = 'failed' AND is_paid));
END
$$;

SELECT platform.grant_schema('payments');

-- Called by the ledger's commit, in its transaction, with what the core decided. The chain says whose wallet one is: a
-- request of somebody else for it can come to nothing, and must not stop the commit.
CREATE OR REPLACE FUNCTION compliance.apply(effects jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  effect jsonb;
  effect_type text;
  chain_wallet text;
  number bigint;
BEGIN
  FOR effect IN SELECT item FROM jsonb_array_elements(effects) WITH ORDINALITY AS listed (item, place) ORDER BY place
  LOOP
    effect_type := effect ->> 'type';
    IF effect_type NOT IN ('registered', 'wallet_changed') THEN
      RAISE EXCEPTION 'compliance cannot apply %', effect_type;
    END IF;
    chain_wallet := effect ->> 'wallet';
    number := (effect ->> 'account')::bigint;
    UPDATE compliance.registration
    SET status = 'refused', reason = 'the wallet belongs to another account on the chain'
    WHERE lower(wallet) = lower(chain_wallet) AND chain_account <> number
      AND status IN ('pending_approval', 'submitted');
    -- An account that the chain registered and that nobody here asked for changes no row.
    UPDATE compliance.registration
    SET wallet = CASE WHEN lower(wallet) = lower(chain_wallet) THEN wallet ELSE chain_wallet END
    WHERE chain_account = number;
    IF effect_type = 'registered' THEN
      UPDATE compliance.registration
      SET status = 'registered',
          reason = NULL,
          investor_class = (effect ->> 'class')::int,
          expires_at = to_timestamp((effect ->> 'expires_at')::double precision)
      WHERE chain_account = number;
    END IF;
  END LOOP;
END
$$;

SELECT platform.grant_schema('compliance');
