CREATE SCHEMA compliance;

-- A wallet on its way to the investor registry of the chain.
CREATE TABLE compliance.registration (
  account_id uuid PRIMARY KEY,
  -- Place in the officer's queue; a new one for each linked wallet.
  id uuid NOT NULL UNIQUE,
  chain_account bigint NOT NULL UNIQUE CHECK (chain_account BETWEEN 16 AND 4294967295),
  -- With the checksum of EIP-55.
  wallet text NOT NULL CHECK (wallet ~ '^0x[0-9a-fA-F]{40}$'),
  status text NOT NULL CHECK (status IN ('pending_approval', 'submitted', 'registered', 'refused')),
  investor_class int CHECK (investor_class BETWEEN 1 AND 83),
  expires_at timestamptz,
  -- Why it was refused, or why the chain did not take it when it was approved.
  reason text,
  -- What the chain keeps instead of the person: SHA-256 of the salt and the user's id.
  identity_salt bytea NOT NULL CHECK (octet_length(identity_salt) = 32),
  identity_hash bytea NOT NULL CHECK (octet_length(identity_hash) = 32),
  -- Transactions that were asked for; each has a key of its own.
  attempts int NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  tx_key text UNIQUE,
  -- `usr_…` of the officer.
  decided_by text,
  created_at timestamptz NOT NULL,
  decided_at timestamptz,
  CHECK (status NOT IN ('submitted', 'registered') OR investor_class IS NOT NULL),
  CHECK (status <> 'submitted' OR tx_key IS NOT NULL),
  CHECK (status <> 'refused' OR reason IS NOT NULL),
  CHECK (status IN ('refused', 'pending_approval') OR reason IS NULL)
);
CREATE UNIQUE INDEX registration_wallet ON compliance.registration (lower(wallet))
  WHERE status <> 'refused';
CREATE INDEX registration_queue ON compliance.registration (status, id);

-- Called by the ledger's commit, in its transaction, with what the core decided.
CREATE FUNCTION compliance.apply(effects jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  effect jsonb;
BEGIN
  FOR effect IN SELECT item FROM jsonb_array_elements(effects) WITH ORDINALITY AS listed (item, place) ORDER BY place
  LOOP
    IF effect ->> 'type' <> 'registered' THEN
      RAISE EXCEPTION 'compliance cannot apply %', effect ->> 'type';
    END IF;
    -- An account that the chain registered and that nobody here asked for changes no row.
    UPDATE compliance.registration
    SET status = 'registered',
        reason = NULL,
        wallet = CASE WHEN lower(wallet) = lower(effect ->> 'wallet') THEN wallet
                      ELSE effect ->> 'wallet' END,
        investor_class = (effect ->> 'class')::int,
        expires_at = to_timestamp((effect ->> 'expires_at')::double precision)
    WHERE chain_account = (effect ->> 'account')::bigint;
  END LOOP;
END
$$;

INSERT INTO ledger.effect_handler (context) VALUES ('compliance');

SELECT platform.grant_schema('compliance');
