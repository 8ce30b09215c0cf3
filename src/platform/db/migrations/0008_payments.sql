CREATE SCHEMA payments;

-- Value that a wallet brought in. The watcher sees it first, the core books it, and the row says
-- how far it is: `ref` is `<transaction hash>:<log index>`.
CREATE TABLE payments.deposit (
  id uuid PRIMARY KEY,
  ref text NOT NULL UNIQUE,
  account bigint NOT NULL CHECK (account > 0),
  asset integer NOT NULL CHECK (asset BETWEEN 0 AND 65535),
  amount bigint NOT NULL CHECK (amount > 0),
  status text NOT NULL CHECK (status IN ('incoming', 'final', 'retracted')),
  tx_hash text NOT NULL,
  block_number bigint NOT NULL CHECK (block_number >= 0),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX deposit_of_account ON payments.deposit (account, id);

-- A hold of the ledger that is to become a payment to the account's wallet. `hold_seq` is the
-- sequence of the hold: the payment goes out when that sequence is settled and final.
CREATE TABLE payments.withdrawal (
  id uuid PRIMARY KEY,
  account bigint NOT NULL CHECK (account > 0),
  asset integer NOT NULL CHECK (asset BETWEEN 0 AND 65535),
  amount bigint NOT NULL CHECK (amount > 0),
  status text NOT NULL CHECK (status IN ('requested', 'submitted', 'mined', 'final', 'failed')),
  hold_seq bigint NOT NULL CHECK (hold_seq > 0),
  tx_key text UNIQUE,
  tx_hash text,
  block_number bigint,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK (status IN ('requested', 'failed') OR tx_key IS NOT NULL)
);
CREATE INDEX withdrawal_of_account ON payments.withdrawal (account, id);
CREATE INDEX withdrawal_waiting ON payments.withdrawal (hold_seq) WHERE status = 'requested';
CREATE INDEX withdrawal_sent ON payments.withdrawal (id) WHERE status = 'submitted';

-- A UUIDv7 that the same deposit always gets: time of first sight, then a digest of its place.
CREATE FUNCTION payments.deposit_id(seen_at timestamptz, place text) RETURNS uuid
LANGUAGE sql IMMUTABLE AS $$
  SELECT (lpad(to_hex(floor(extract(epoch FROM seen_at) * 1000)::bigint), 12, '0')
    || '7' || substr(md5(place), 1, 3) || '8' || substr(md5(place), 4, 15))::uuid
$$;

CREATE FUNCTION payments.apply_deposit(effect jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  next_status text := substr(effect ->> 'type', length('deposit_') + 1);
BEGIN
  INSERT INTO payments.deposit AS known
    (id, ref, account, asset, amount, status, tx_hash, block_number)
  VALUES (
    payments.deposit_id(clock_timestamp(), effect ->> 'id'), effect ->> 'id',
    (effect ->> 'account')::bigint, (effect ->> 'asset')::integer, (effect ->> 'amount')::bigint,
    next_status, split_part(effect ->> 'id', ':', 1), (effect ->> 'block')::bigint
  )
  ON CONFLICT (ref) DO UPDATE
    SET status = excluded.status, block_number = excluded.block_number, updated_at = clock_timestamp()
    WHERE known.status <> 'final';
END
$$;

CREATE FUNCTION payments.apply_withdrawal(effect jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  effect_type text := effect ->> 'type';
  withdrawal_id uuid := (effect ->> 'id')::uuid;
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
      tx_hash = coalesce(effect ->> 'tx_hash', tx_hash),
      block_number = CASE effect_type
        WHEN 'withdrawal_retracted' THEN NULL
        ELSE coalesce((effect ->> 'block')::bigint, block_number)
      END,
      updated_at = clock_timestamp()
  WHERE id = withdrawal_id AND status NOT IN ('final', 'failed');
END
$$;

-- Called by the ledger's commit, in its transaction, with what the core decided.
CREATE FUNCTION payments.apply(effects jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  effect jsonb;
BEGIN
  FOR effect IN SELECT item FROM jsonb_array_elements(effects) WITH ORDINALITY AS listed (item, place) ORDER BY place
  LOOP
    IF effect ->> 'type' IN ('deposit_incoming', 'deposit_final', 'deposit_retracted') THEN
      PERFORM payments.apply_deposit(effect);
    ELSIF effect ->> 'type' IN ('withdrawal_requested', 'withdrawal_mined', 'withdrawal_retracted',
                                'withdrawal_final', 'withdrawal_failed') THEN
      PERFORM payments.apply_withdrawal(effect);
    ELSE
      RAISE EXCEPTION 'payments cannot apply %', effect ->> 'type';
    END IF;
  END LOOP;
END
$$;

INSERT INTO ledger.effect_handler (context) VALUES ('payments');

SELECT platform.grant_schema('payments');
