-- Deposits of a commit come as one effect with a column for each field, each deposit once: a range of
-- blocks may bring thousands, and columns are read in a fraction of the time that objects take.

DROP FUNCTION payments.apply_deposits(jsonb);

-- The planner, who knows nothing of the lengths, is kept from reading whole tables.
CREATE FUNCTION payments.apply_deposits(effect jsonb) RETURNS void
LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off
AS $$
DECLARE
  -- The id is a UUIDv7: time of first sight, then a digest of the place.
  v_seen text := lpad(to_hex(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || '7';
BEGIN
  MERGE INTO payments.deposit AS known
  USING (
    SELECT listed.*, md5(ref) AS digest
    FROM unnest((effect ->> 'ref')::text[], (effect ->> 'account')::bigint[], (effect ->> 'asset')::int[],
                (effect ->> 'amount')::bigint[], (effect ->> 'status')::text[], (effect ->> 'block')::bigint[])
      AS listed (ref, account, asset, amount, status, block)
  ) AS item ON known.ref = item.ref
  WHEN MATCHED AND known.status <> 'final' THEN UPDATE
    SET status = item.status, block_number = item.block, updated_at = clock_timestamp()
  WHEN NOT MATCHED THEN INSERT (id, ref, account, asset, amount, status, tx_hash, block_number)
    VALUES ((v_seen || substr(item.digest, 1, 3) || '8' || substr(item.digest, 4, 15))::uuid,
            item.ref, item.account, item.asset, item.amount, item.status,
            split_part(item.ref, ':', 1), item.block);
END
$$;

CREATE OR REPLACE FUNCTION payments.apply(effects jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  effect jsonb;
BEGIN
  FOR effect IN
    SELECT item FROM jsonb_array_elements(effects) WITH ORDINALITY AS listed (item, place) ORDER BY place
  LOOP
    IF effect ->> 'type' = 'deposits' THEN
      PERFORM payments.apply_deposits(effect);
    ELSIF effect ->> 'type' IN ('withdrawal_requested', 'withdrawal_mined', 'withdrawal_retracted',
                                'withdrawal_final', 'withdrawal_failed') THEN
      PERFORM payments.apply_withdrawal(effect);
    ELSE
      RAISE EXCEPTION 'payments cannot apply %', effect ->> 'type';
    END IF;
  END LOOP;
END
$$;

SELECT platform.grant_schema('payments');
