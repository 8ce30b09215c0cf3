CREATE SCHEMA assets;

-- Asset ids on the chain, given at approval; 0 is cash.
CREATE SEQUENCE assets.chain_asset AS int MINVALUE 1 MAXVALUE 65535 START 1 NO CYCLE;

CREATE TABLE assets.asset (
  id uuid PRIMARY KEY,
  chain_asset int UNIQUE CHECK (chain_asset BETWEEN 0 AND 65535),
  symbol text NOT NULL UNIQUE CHECK (symbol ~ '^[A-Z][A-Z0-9]{1,11}$'),
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  class text NOT NULL
    CHECK (class IN ('equity', 'bond', 'fund', 'real_estate', 'commodity', 'cash', 'other')),
  decimals int NOT NULL CHECK (decimals BETWEEN 0 AND 8),
  reserve text NOT NULL CHECK (reserve IN ('none', 'attested')),
  -- Investor classes that may hold it.
  allowed_classes int[] NOT NULL CHECK (cardinality(allowed_classes) > 0),
  -- Most that may ever exist, in atoms; null: as much as the ledger can count.
  ceiling bigint CHECK (ceiling > 0),
  status text NOT NULL
    CHECK (status IN ('draft', 'submitted', 'approved', 'tokenizing', 'active')),
  -- Token of somebody else, which the vault takes in; no supply of ours.
  external boolean NOT NULL,
  token text CHECK (token ~ '^0x[0-9a-fA-F]{40}$'),
  -- Account number of the issuer; null for what no user issued.
  issuer bigint CHECK (issuer BETWEEN 16 AND 4294967295),
  -- Account number of the approver, who is another person.
  approved_by bigint CHECK (approved_by <> issuer),
  created_at timestamptz NOT NULL,
  CHECK (external = (issuer IS NULL)),
  CHECK (status IN ('draft', 'submitted') OR chain_asset IS NOT NULL),
  CHECK (external OR status IN ('draft', 'submitted') OR approved_by IS NOT NULL)
);
CREATE INDEX asset_of_issuer ON assets.asset (issuer);

CREATE TABLE assets.document (
  id uuid PRIMARY KEY,
  asset uuid NOT NULL REFERENCES assets.asset (id),
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  uri text NOT NULL CHECK (length(uri) BETWEEN 1 AND 2000),
  sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
  created_at timestamptz NOT NULL,
  UNIQUE (asset, sha256)
);

-- Called by the ledger's commit, in its transaction, with what the core decided.
CREATE FUNCTION assets.apply(effects jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  effect jsonb;
BEGIN
  FOR effect IN SELECT item FROM jsonb_array_elements(effects) WITH ORDINALITY AS listed (item, place) ORDER BY place
  LOOP
    IF effect ->> 'type' <> 'listed' THEN
      RAISE EXCEPTION 'assets cannot apply %', effect ->> 'type';
    END IF;
    UPDATE assets.asset SET token = effect ->> 'token'
    WHERE chain_asset = (effect ->> 'asset')::int;
  END LOOP;
END
$$;

INSERT INTO ledger.effect_handler (context) VALUES ('assets');

SELECT platform.grant_schema('assets');
