-- An operator may have a transaction cancelled; its nonce is then used by a payment to oneself.
ALTER TABLE chain.tx_request DROP CONSTRAINT tx_request_state_check;
ALTER TABLE chain.tx_request ADD CONSTRAINT tx_request_state_check CHECK (
  state IN ('requested', 'signed', 'broadcast', 'mined', 'final', 'reverted', 'rejected', 'held',
    'cancelling', 'cancelled')
);
-- What an operator wants of it; the transaction manager does it.
ALTER TABLE chain.tx_request ADD COLUMN wish text CHECK (wish IN ('cancel', 'resume'));
ALTER TABLE chain.tx_request ADD CHECK (state <> 'cancelled' OR error IS NOT NULL);
DROP INDEX chain.tx_request_open;
CREATE INDEX tx_request_open ON chain.tx_request (signer, seq)
  WHERE state NOT IN ('final', 'reverted', 'rejected', 'cancelled');
CREATE INDEX tx_request_state ON chain.tx_request (state, id);

CREATE TABLE chain.tx_wish (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  request uuid NOT NULL REFERENCES chain.tx_request (id),
  wish text NOT NULL CHECK (wish IN ('cancel', 'resume')),
  reason text NOT NULL CHECK (reason <> ''),
  actor text NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON chain.tx_wish
  EXECUTE FUNCTION platform.refuse_change();

-- A nonce that somebody else used with the same key is lost for its request, which takes another.
ALTER TABLE chain.nonce ADD COLUMN is_lost boolean NOT NULL DEFAULT false;
ALTER TABLE chain.nonce DROP CONSTRAINT nonce_request_key;
CREATE UNIQUE INDEX nonce_live ON chain.nonce (request) WHERE NOT is_lost;
CREATE INDEX nonce_request ON chain.nonce (request);

-- All attempts of one nonce exclude one another. A cancel pays nothing to the signer itself.
ALTER TABLE chain.tx_attempt
  ADD COLUMN kind text NOT NULL DEFAULT 'intent' CHECK (kind IN ('intent', 'cancel')),
  ADD COLUMN signer chain.address,
  ADD COLUMN nonce bigint,
  -- The newest block of the chain when it was signed.
  ADD COLUMN signed_head bigint CHECK (signed_head >= 0);
UPDATE chain.tx_attempt a SET signer = n.signer, nonce = n.nonce
  FROM chain.nonce n WHERE n.request = a.request;
ALTER TABLE chain.tx_attempt
  ALTER COLUMN signer SET NOT NULL,
  ALTER COLUMN nonce SET NOT NULL,
  ADD FOREIGN KEY (signer, nonce) REFERENCES chain.nonce (signer, nonce);

-- While one is open, nothing new is signed for the signer that it concerns.
CREATE TABLE chain.breaker (
  name text NOT NULL CHECK (name IN ('indexer_lag', 'endpoint_disagreement', 'signer_balance',
    'revert_rate', 'fee_ceiling', 'supply_mismatch', 'beyond_finality', 'external_nonce')),
  scope text NOT NULL CHECK (scope IN ('all', 'settler', 'registrar')),
  is_open boolean NOT NULL DEFAULT false,
  reason text,
  since timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (name, scope),
  CHECK (is_open = (reason IS NOT NULL))
);
INSERT INTO chain.breaker (name, scope) VALUES
  ('indexer_lag', 'all'), ('endpoint_disagreement', 'all'), ('fee_ceiling', 'all'),
  ('beyond_finality', 'all'), ('supply_mismatch', 'settler'),
  ('signer_balance', 'settler'), ('signer_balance', 'registrar'),
  ('revert_rate', 'settler'), ('revert_rate', 'registrar'),
  ('external_nonce', 'settler'), ('external_nonce', 'registrar');

CREATE TABLE chain.breaker_change (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  scope text NOT NULL,
  is_open boolean NOT NULL,
  reason text NOT NULL CHECK (reason <> ''),
  actor text NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  FOREIGN KEY (name, scope) REFERENCES chain.breaker (name, scope)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON chain.breaker_change
  EXECUTE FUNCTION platform.refuse_change();

SELECT platform.grant_schema('chain');
