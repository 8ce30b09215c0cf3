-- A block that the core refuses leaves ledger and chain apart. Settlement halts in the commit of the
-- refusal itself, so that no crash comes between them.
CREATE FUNCTION settlement.refuse_block(halt_reason text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  -- Whoever resumes after an earlier halt should find this one as well, among the incidents.
  UPDATE settlement.state
  SET status = 'halted', reason = halt_reason, changed_at = clock_timestamp()
  WHERE status = 'running';
  INSERT INTO settlement.incident (kind, reason, actor) VALUES ('halted', halt_reason, 'chain');
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
      -- Nobody abandons what may still be mined, so whoever did knows more than this node.
      IF NOT FOUND THEN
        PERFORM settlement.refuse_block(
          format('batch %s is final on chain and was abandoned here', effect ->> 'sequence'));
      END IF;
    ELSIF effect_type IN ('exit_mode_seen', 'exit_mode_final') THEN
      PERFORM settlement.end_settlement(effect_type = 'exit_mode_final');
    ELSIF effect_type = 'exit_mode_retracted' THEN
      PERFORM settlement.retract_end();
    ELSIF effect_type = 'block_refused' THEN
      PERFORM settlement.refuse_block(effect ->> 'reason');
    ELSIF effect_type <> 'block_final' THEN
      RAISE EXCEPTION 'settlement cannot apply %', effect_type;
    END IF;
  END LOOP;
END
$$;

SELECT platform.grant_schema('settlement');
