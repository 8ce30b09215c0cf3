CREATE SCHEMA accounts;

CREATE TABLE accounts.users (
  id uuid PRIMARY KEY,
  -- Trimmed and in lower case.
  email text NOT NULL UNIQUE CHECK (email = lower(btrim(email)) AND length(email) BETWEEN 3 AND 254),
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  -- PHC string format.
  password_hash text NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
  roles text[] NOT NULL CHECK (
    'investor' = ANY (roles)
    AND roles <@ ARRAY['investor', 'issuer', 'compliance', 'treasurer', 'operator', 'auditor', 'admin']
  ),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Account ids on the chain; 0 is none, 1 to 15 belong to the system.
CREATE SEQUENCE accounts.chain_account AS bigint MINVALUE 16 MAXVALUE 4294967295 START 16 NO CYCLE;

CREATE TABLE accounts.account (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL UNIQUE REFERENCES accounts.users (id),
  chain_account bigint NOT NULL UNIQUE CHECK (chain_account BETWEEN 16 AND 4294967295),
  -- When the ledger opened it; null after a crash in between, and then it is asked again.
  opened_at timestamptz
);
CREATE INDEX account_unopened ON accounts.account (chain_account) WHERE opened_at IS NULL;

CREATE TABLE accounts.api_key (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES accounts.users (id),
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  -- SHA-256 of the key, which is kept nowhere.
  hash bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
  -- null: whatever the user may do.
  scopes text[],
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  revoked_at timestamptz
);
CREATE INDEX api_key_of_user ON accounts.api_key (user_id);

-- The message that a user was last asked to sign with a wallet; gone once it is used.
CREATE TABLE accounts.wallet_challenge (
  user_id uuid PRIMARY KEY REFERENCES accounts.users (id),
  address text NOT NULL CHECK (address ~ '^0x[0-9a-f]{40}$'),
  message text NOT NULL,
  expires_at timestamptz NOT NULL
);

SELECT platform.grant_schema('accounts');
