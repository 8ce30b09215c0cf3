CREATE SCHEMA IF NOT EXISTS platform;

-- The node works as this role; the tables belong to the migrator. A migrator that may not make
-- roles leaves it out, and the node then works as the user it logs in as.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mooring_node') THEN
    CREATE ROLE mooring_node NOLOGIN;
  END IF;
  IF NOT pg_has_role(current_user, 'mooring_node', 'MEMBER') THEN
    EXECUTE format('GRANT mooring_node TO %I', current_user);
  END IF;
EXCEPTION
  WHEN insufficient_privilege OR duplicate_object OR unique_violation THEN
    RAISE NOTICE 'role mooring_node: %', SQLERRM;
END
$$;

-- Lets the node use every table, sequence and function of a schema, those that come later too.
CREATE FUNCTION platform.grant_schema(schema_name text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mooring_node') THEN
    RETURN;
  END IF;
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO mooring_node', schema_name);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I TO mooring_node', schema_name);
  EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA %I TO mooring_node', schema_name);
  EXECUTE format('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA %I TO mooring_node', schema_name);
  EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO mooring_node', schema_name);
  EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT USAGE, SELECT ON SEQUENCES TO mooring_node', schema_name);
END
$$;

-- Trigger function of append-only tables:
-- CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON … EXECUTE FUNCTION platform.refuse_change();
CREATE FUNCTION platform.refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'MA001';
END
$$;

-- Which life of which node this database holds; a restore or a reset raises log_epoch.
CREATE TABLE platform.instance (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  id uuid NOT NULL,
  log_epoch bigint NOT NULL CHECK (log_epoch > 0)
);
INSERT INTO platform.instance (id, log_epoch) VALUES (gen_random_uuid(), 1);

-- The epoch of each singleton role. A write transaction holds its row FOR SHARE, so raising the
-- epoch waits for the running writes of the former leader and stops every later one.
CREATE TABLE platform.fence (
  role text PRIMARY KEY,
  epoch bigint NOT NULL CHECK (epoch >= 0)
);
INSERT INTO platform.fence (role, epoch)
VALUES ('engine', 0), ('settler', 0), ('watcher', 0), ('txm', 0), ('relay', 0);

-- Who leads a role and where it answers.
CREATE TABLE platform.leader (
  role text PRIMARY KEY REFERENCES platform.fence (role),
  epoch bigint NOT NULL,
  address text,
  since timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE FUNCTION platform.require_epoch(wanted_role text, wanted_epoch bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  current_epoch bigint;
BEGIN
  SELECT epoch INTO current_epoch FROM platform.fence WHERE role = wanted_role FOR SHARE;
  IF current_epoch IS DISTINCT FROM wanted_epoch THEN
    RAISE EXCEPTION 'epoch of % is %, not %', wanted_role, current_epoch, wanted_epoch
      USING ERRCODE = 'MF001';
  END IF;
END
$$;

CREATE TABLE platform.idempotency (
  scope text NOT NULL,
  operation text NOT NULL,
  key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
  input_hash bytea NOT NULL CHECK (octet_length(input_hash) = 32),
  resource text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (scope, operation, key)
);

CREATE TABLE platform.operation (
  id uuid PRIMARY KEY,
  kind text NOT NULL,
  owner text NOT NULL,
  status text NOT NULL CHECK (status IN ('pending', 'running', 'succeeded', 'failed')),
  steps jsonb NOT NULL CHECK (jsonb_typeof(steps) = 'array'),
  resource text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX operation_unfinished ON platform.operation (kind, id)
  WHERE status IN ('pending', 'running');

CREATE TABLE platform.stream_head (
  stream text PRIMARY KEY,
  seq bigint NOT NULL CHECK (seq >= 0)
);

CREATE TABLE platform.outbox (
  stream text NOT NULL REFERENCES platform.stream_head (stream),
  seq bigint NOT NULL CHECK (seq > 0),
  id uuid NOT NULL,
  type text NOT NULL,
  key text NOT NULL,
  occurred_at timestamptz NOT NULL,
  payload jsonb NOT NULL,
  size_bytes int NOT NULL CHECK (size_bytes <= 12582912),
  PRIMARY KEY (stream, seq)
);

CREATE TABLE platform.consumer_position (
  consumer_group text NOT NULL,
  stream text NOT NULL,
  seq bigint NOT NULL CHECK (seq >= 0),
  log_epoch bigint NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (consumer_group, stream)
);

-- Appends [{stream, type, key, data, id?}, …]: a gapless seq per stream. Call it last in a
-- transaction; it locks the heads in the order of their names, so that writers cannot deadlock.
CREATE FUNCTION platform.append_events(events jsonb, at timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  part record;
  last_seq bigint;
BEGIN
  FOR part IN
    SELECT event ->> 'stream' AS stream, count(*) AS amount
    FROM jsonb_array_elements(events) AS event
    GROUP BY 1 ORDER BY 1
  LOOP
    INSERT INTO platform.stream_head AS head (stream, seq) VALUES (part.stream, part.amount)
    ON CONFLICT (stream) DO UPDATE SET seq = head.seq + part.amount
    RETURNING head.seq INTO last_seq;

    INSERT INTO platform.outbox (stream, seq, id, type, key, occurred_at, payload, size_bytes)
    SELECT part.stream,
           last_seq - part.amount + row_number() OVER (ORDER BY place),
           coalesce((event ->> 'id')::uuid, gen_random_uuid()),
           event ->> 'type', event ->> 'key', at, event -> 'data',
           octet_length((event -> 'data')::text)
    FROM jsonb_array_elements(events) WITH ORDINALITY AS listed (event, place)
    WHERE event ->> 'stream' = part.stream;
  END LOOP;
END
$$;

-- Moves a consumer's position forward; going back or standing still is a bug of the caller.
CREATE FUNCTION platform.write_position(wanted_group text, wanted_stream text, wanted_seq bigint, epoch bigint)
RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO platform.consumer_position AS position (consumer_group, stream, seq, log_epoch)
  VALUES (wanted_group, wanted_stream, wanted_seq, epoch)
  ON CONFLICT (consumer_group, stream) DO UPDATE
    SET seq = excluded.seq, log_epoch = excluded.log_epoch, updated_at = clock_timestamp()
    WHERE position.seq < excluded.seq AND position.log_epoch <= excluded.log_epoch;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'position of % on % cannot become %', wanted_group, wanted_stream, wanted_seq
      USING ERRCODE = 'MP001';
  END IF;
END
$$;

SELECT platform.grant_schema('platform');
