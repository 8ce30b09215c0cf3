-- The same forms as before, without a regular expression: it cost more than the insert of a log.
ALTER DOMAIN chain.hash DROP CONSTRAINT hash_check;
ALTER DOMAIN chain.hash ADD CONSTRAINT hash_check CHECK (
  length(VALUE) = 66 AND starts_with(VALUE, '0x') AND ltrim(substr(VALUE, 3), '0123456789abcdef') = ''
);
ALTER DOMAIN chain.address DROP CONSTRAINT address_check;
ALTER DOMAIN chain.address ADD CONSTRAINT address_check CHECK (
  length(VALUE) = 42 AND starts_with(VALUE, '0x') AND ltrim(substr(VALUE, 3), '0123456789abcdef') = ''
);

-- Why nothing more of the chain is believed. An operator deletes the row after a look at the chain.
CREATE TABLE chain.halt (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  -- An unreadable log may be read by a newer version, so a restart tries again.
  kind text NOT NULL CHECK (kind IN ('beyond_finality', 'unreadable_log')),
  reason text NOT NULL CHECK (reason <> ''),
  since timestamptz NOT NULL DEFAULT clock_timestamp()
);

SELECT platform.grant_schema('chain');

-- Deposits of a commit in one statement: a range of blocks may bring thousands. Of several words on
-- one deposit the last one holds.
CREATE FUNCTION payments.apply_deposits(effects jsonb) RETURNS void
LANGUAGE sql AS $$
  INSERT INTO payments.deposit AS known
    (id, ref, account, asset, amount, status, tx_hash, block_number)
  SELECT payments.deposit_id(clock_timestamp(), item.id), item.id, item.account, item.asset,
         item.amount, substr(item.type, length('deposit_') + 1), split_part(item.id, ':', 1),
         item.block
  FROM (
    SELECT DISTINCT ON (listed.id COLLATE "C") listed.*
    FROM ROWS FROM (
      jsonb_to_recordset(effects)
        AS (type text, id text, account bigint, asset integer, amount bigint, block bigint)
    ) WITH ORDINALITY AS listed (type, id, account, asset, amount, block, place)
    WHERE listed.type IN ('deposit_incoming', 'deposit_final', 'deposit_retracted')
    ORDER BY listed.id COLLATE "C", listed.place DESC
  ) AS item
  ON CONFLICT (ref) DO UPDATE
    SET status = excluded.status, block_number = excluded.block_number, updated_at = clock_timestamp()
    WHERE known.status <> 'final'
$$;

CREATE OR REPLACE FUNCTION payments.apply(effects jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  effect jsonb;
BEGIN
  PERFORM payments.apply_deposits(effects);
  FOR effect IN
    SELECT item FROM jsonb_array_elements(effects) WITH ORDINALITY AS listed (item, place)
    WHERE item ->> 'type' NOT IN ('deposit_incoming', 'deposit_final', 'deposit_retracted')
    ORDER BY place
  LOOP
    IF effect ->> 'type' IN ('withdrawal_requested', 'withdrawal_mined', 'withdrawal_retracted',
                             'withdrawal_final', 'withdrawal_failed') THEN
      PERFORM payments.apply_withdrawal(effect);
    ELSE
      RAISE EXCEPTION 'payments cannot apply %', effect ->> 'type';
    END IF;
  END LOOP;
END
$$;

DROP FUNCTION payments.apply_deposit(jsonb);

SELECT platform.grant_schema('payments');
