CREATE SCHEMA settlement;

-- One row: whether settlement runs, and up to which ledger sequence everything is in a batch or
-- needed none. Its row lock serialises everything that makes a batch.
CREATE TABLE settlement.state (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  status text NOT NULL CHECK (status IN ('running', 'halted')),
  reason text,
  covered_seq bigint NOT NULL CHECK (covered_seq >= 0),
  changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK ((status = 'halted') = (reason IS NOT NULL))
);
INSERT INTO settlement.state (status, covered_seq) VALUES ('running', 0);

-- Who stopped and who resumed settlement, and why.
CREATE TABLE settlement.incident (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('halted', 'resumed')),
  reason text NOT NULL,
  actor text NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON settlement.incident
  EXECUTE FUNCTION platform.refuse_change();

CREATE TABLE settlement.batch (
  id uuid PRIMARY KEY,
  sequence bigint NOT NULL CHECK (sequence > 0),
  kind text NOT NULL CHECK (kind IN ('trade', 'supply', 'heartbeat')),
  status text NOT NULL
    CHECK (status IN ('netted', 'submitted', 'mined', 'final', 'reverted', 'abandoned')),
  first_seq bigint,
  last_seq bigint,
  header jsonb NOT NULL,
  prev_head text NOT NULL CHECK (prev_head ~ '^0x[0-9a-f]{64}$'),
  head text NOT NULL CHECK (head ~ '^0x[0-9a-f]{64}$'),
  records bytea NOT NULL CHECK (octet_length(records) > 0),
  journal_hash text NOT NULL CHECK (journal_hash ~ '^0x[0-9a-f]{64}$'),
  trades integer NOT NULL CHECK (trades >= 0),
  transfers integer NOT NULL CHECK (transfers >= 0),
  delta_count integer NOT NULL CHECK (delta_count >= 0),
  supply_asset integer,
  supply_change bigint,
  beneficiary bigint,
  supply_request uuid,
  attempt integer NOT NULL DEFAULT 1 CHECK (attempt > 0),
  tx_key text NOT NULL UNIQUE,
  tx_hash text,
  block_number bigint,
  gas_used bigint,
  error text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK ((kind = 'trade') = (first_seq IS NOT NULL) AND (first_seq IS NULL) = (last_seq IS NULL)),
  CHECK (first_seq <= last_seq),
  CHECK ((kind = 'supply') = (supply_asset IS NOT NULL AND supply_change IS NOT NULL
    AND beneficiary IS NOT NULL AND supply_request IS NOT NULL))
);
-- An abandoned batch never reached the chain, so its sequence and place are free again.
CREATE UNIQUE INDEX batch_sequence ON settlement.batch (sequence) WHERE status <> 'abandoned';
CREATE UNIQUE INDEX batch_first_seq ON settlement.batch (first_seq) WHERE status <> 'abandoned';
CREATE UNIQUE INDEX batch_head ON settlement.batch (head) WHERE status <> 'abandoned';
CREATE INDEX batch_unfinal ON settlement.batch (sequence)
  WHERE status IN ('netted', 'submitted', 'mined', 'reverted');
CREATE INDEX batch_last_seq ON settlement.batch (last_seq) WHERE kind = 'trade';

CREATE TABLE settlement.delta (
  batch uuid NOT NULL REFERENCES settlement.batch (id),
  account bigint NOT NULL CHECK (account > 0),
  asset integer NOT NULL CHECK (asset BETWEEN 0 AND 65535),
  amount bigint NOT NULL CHECK (amount <> 0),
  PRIMARY KEY (batch, account, asset)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON settlement.delta
  EXECUTE FUNCTION platform.refuse_change();

-- What a batch says never changes; only how far it is does.
CREATE FUNCTION settlement.keep_batch() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.id, NEW.sequence, NEW.kind, NEW.first_seq, NEW.last_seq, NEW.header, NEW.prev_head, NEW.head, NEW.records,
       NEW.journal_hash, NEW.trades, NEW.transfers, NEW.delta_count, NEW.supply_asset, NEW.supply_change,
       NEW.beneficiary, NEW.supply_request)
     IS DISTINCT FROM
     (OLD.id, OLD.sequence, OLD.kind, OLD.first_seq, OLD.last_seq, OLD.header, OLD.prev_head, OLD.head, OLD.records,
       OLD.journal_hash, OLD.trades, OLD.transfers, OLD.delta_count, OLD.supply_asset, OLD.supply_change,
       OLD.beneficiary, OLD.supply_request) THEN
    RAISE EXCEPTION 'batch % cannot be rewritten', OLD.id USING ERRCODE = 'MA001';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER keep_batch BEFORE UPDATE ON settlement.batch
  FOR EACH ROW EXECUTE FUNCTION settlement.keep_batch();

-- Called by the ledger's commit, in its transaction, with what the core saw on chain.
CREATE FUNCTION settlement.apply(effects jsonb) RETURNS void
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
    ELSIF effect_type <> 'block_final' THEN
      RAISE EXCEPTION 'settlement cannot apply %', effect_type;
    END IF;
  END LOOP;
END
$$;

INSERT INTO ledger.effect_handler (context) VALUES ('settlement');

SELECT platform.grant_schema('settlement');
