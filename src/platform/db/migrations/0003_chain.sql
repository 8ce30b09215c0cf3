CREATE SCHEMA chain;

CREATE DOMAIN chain.hash AS text CHECK (VALUE ~ '^0x[0-9a-f]{64}$');
CREATE DOMAIN chain.address AS text CHECK (VALUE ~ '^0x[0-9a-f]{40}$');

-- A block that was applied; retracted ones stay, so that the past can be explained.
CREATE TABLE chain.block (
  hash chain.hash PRIMARY KEY,
  number bigint NOT NULL CHECK (number >= 0),
  parent_hash chain.hash NOT NULL,
  mined_at bigint NOT NULL CHECK (mined_at >= 0),
  state text NOT NULL CHECK (state IN ('applied', 'final', 'retracted'))
);
CREATE UNIQUE INDEX block_canonical ON chain.block (number) WHERE state <> 'retracted';
CREATE INDEX block_unfinal ON chain.block (number) WHERE state = 'applied';

CREATE TABLE chain.log (
  block_hash chain.hash NOT NULL REFERENCES chain.block (hash),
  log_index integer NOT NULL CHECK (log_index >= 0),
  tx_hash chain.hash NOT NULL,
  contract text NOT NULL,
  name text NOT NULL,
  args jsonb NOT NULL,
  topics text[] NOT NULL,
  data text NOT NULL,
  PRIMARY KEY (block_hash, log_index)
);

-- How far the chain was read: one row, the same transaction as its blocks.
CREATE TABLE chain.cursor (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  chain_id bigint NOT NULL,
  chain_instance text,
  head_number bigint NOT NULL,
  head_hash chain.hash NOT NULL,
  final_number bigint NOT NULL,
  final_hash chain.hash NOT NULL,
  CHECK (final_number <= head_number)
);

-- What a context asked to be sent. seq is the order within a signer.
CREATE TABLE chain.tx_request (
  id uuid PRIMARY KEY,
  seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  key text NOT NULL UNIQUE CHECK (length(key) BETWEEN 1 AND 255),
  signer text NOT NULL CHECK (signer IN ('settler', 'registrar')),
  target chain.address NOT NULL,
  data text NOT NULL CHECK (data ~ '^0x([0-9a-f]{2})*$'),
  gas_cap bigint CHECK (gas_cap > 0),
  state text NOT NULL CHECK (
    state IN ('requested', 'signed', 'broadcast', 'mined', 'final', 'reverted', 'rejected', 'held')
  ),
  error text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK (state NOT IN ('reverted', 'rejected', 'held') OR error IS NOT NULL)
);
CREATE INDEX tx_request_open ON chain.tx_request (signer, seq)
  WHERE state NOT IN ('final', 'reverted', 'rejected');

-- A nonce belongs to one request for ever.
CREATE TABLE chain.nonce (
  signer chain.address NOT NULL,
  nonce bigint NOT NULL CHECK (nonce >= 0),
  request uuid NOT NULL UNIQUE REFERENCES chain.tx_request (id),
  PRIMARY KEY (signer, nonce)
);

-- Signed bytes, stored before anybody else sees them.
CREATE TABLE chain.tx_attempt (
  request uuid NOT NULL REFERENCES chain.tx_request (id),
  attempt integer NOT NULL CHECK (attempt >= 1),
  hash chain.hash NOT NULL UNIQUE,
  raw text NOT NULL,
  gas_limit bigint NOT NULL,
  max_fee_wei numeric(78, 0) NOT NULL,
  priority_fee_wei numeric(78, 0) NOT NULL,
  signed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  sent_at timestamptz,
  PRIMARY KEY (request, attempt)
);

-- Receipts of the node's own transactions, one per block that held them.
CREATE TABLE chain.receipt (
  tx_hash chain.hash NOT NULL REFERENCES chain.tx_attempt (hash),
  block_hash chain.hash NOT NULL REFERENCES chain.block (hash),
  status smallint NOT NULL CHECK (status IN (0, 1)),
  gas_used bigint NOT NULL CHECK (gas_used >= 0),
  PRIMARY KEY (tx_hash, block_hash)
);
CREATE INDEX receipt_block ON chain.receipt (block_hash);

SELECT platform.grant_schema('chain');
