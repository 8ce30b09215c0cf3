CREATE SCHEMA supply;

-- A change of an asset's supply: proposed after the guards, sent in a batch of its own.
CREATE TABLE supply.request (
  id uuid PRIMARY KEY,
  ref text NOT NULL UNIQUE,
  asset integer NOT NULL CHECK (asset BETWEEN 1 AND 65535),
  change bigint NOT NULL CHECK (change <> 0 AND change > -9223372036854775808),
  beneficiary bigint NOT NULL CHECK (beneficiary > 0),
  status text NOT NULL CHECK (status IN ('proposed', 'batched', 'final', 'failed')),
  batch uuid,
  error text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK ((status IN ('batched', 'final')) <= (batch IS NOT NULL)),
  CHECK ((status = 'failed') = (error IS NOT NULL))
);
CREATE INDEX request_open ON supply.request (asset, id) WHERE status IN ('proposed', 'batched');

SELECT platform.grant_schema('supply');
