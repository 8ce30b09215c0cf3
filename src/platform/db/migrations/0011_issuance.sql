CREATE SCHEMA issuance;

-- A tokenization on its way: the steps that its operation shows, resumed from here after a crash.
CREATE TABLE issuance.tokenization (
  id uuid PRIMARY KEY,
  asset uuid NOT NULL,
  chain_asset integer NOT NULL CHECK (chain_asset BETWEEN 1 AND 65535),
  beneficiary bigint NOT NULL CHECK (beneficiary > 0),
  supply bigint NOT NULL CHECK (supply > 0),
  step text NOT NULL
    CHECK (step IN ('create_asset', 'list_asset', 'supply_batch', 'final', 'done', 'failed')),
  error text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK ((step = 'failed') = (error IS NOT NULL))
);
-- One living tokenization per asset; a failed one may be followed by another.
CREATE UNIQUE INDEX tokenization_of_asset ON issuance.tokenization (asset) WHERE step <> 'failed';
CREATE INDEX tokenization_open ON issuance.tokenization (id) WHERE step NOT IN ('done', 'failed');

SELECT platform.grant_schema('issuance');
