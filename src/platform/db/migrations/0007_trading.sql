CREATE SCHEMA trading;

CREATE TABLE trading.market (
  id int PRIMARY KEY,
  symbol text NOT NULL UNIQUE,
  base int NOT NULL,
  quote int NOT NULL CHECK (quote <> base),
  base_decimals int NOT NULL,
  quote_decimals int NOT NULL,
  tick_size text NOT NULL,
  lot_size text NOT NULL,
  maker_fee_bps int NOT NULL CHECK (maker_fee_bps BETWEEN 0 AND taker_fee_bps),
  taker_fee_bps int NOT NULL CHECK (taker_fee_bps <= 10000),
  market_collar_bps int NOT NULL CHECK (market_collar_bps BETWEEN 0 AND 10000),
  status text NOT NULL CHECK (status IN ('open', 'closed'))
);

-- Prices count ticks and quantities count lots of their market; notionals are atoms of quote.
CREATE TABLE trading."order" (
  id uuid PRIMARY KEY,
  seq bigint NOT NULL,
  account bigint NOT NULL,
  market text NOT NULL REFERENCES trading.market (symbol),
  side text NOT NULL CHECK (side IN ('buy', 'sell')),
  type text NOT NULL CHECK (type IN ('limit', 'market')),
  time_in_force text NOT NULL CHECK (time_in_force IN ('gtc', 'ioc')),
  client_order_id text,
  request_hash text NOT NULL,
  limit_ticks bigint NOT NULL CHECK (limit_ticks >= 0),
  lots bigint NOT NULL CHECK (lots > 0),
  filled_lots bigint NOT NULL CHECK (filled_lots BETWEEN 0 AND lots),
  maker_notional bigint NOT NULL CHECK (maker_notional >= 0),
  taker_notional bigint NOT NULL CHECK (taker_notional >= 0),
  status text NOT NULL CHECK (status IN
    ('open', 'partially_filled', 'filled', 'cancelled', 'rejected', 'expired')),
  reason text,
  created_at timestamptz NOT NULL,
  CHECK ((status = 'filled') = (filled_lots = lots))
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX order_client_id ON trading."order" (account, client_order_id)
  WHERE client_order_id IS NOT NULL;
CREATE INDEX order_account ON trading."order" (account, seq);
CREATE INDEX order_open ON trading."order" (market, side, limit_ticks)
  WHERE status IN ('open', 'partially_filled');

CREATE TABLE trading.trade (
  id uuid PRIMARY KEY,
  market text NOT NULL REFERENCES trading.market (symbol),
  seq bigint NOT NULL,
  idx int NOT NULL,
  ticks bigint NOT NULL CHECK (ticks > 0),
  lots bigint NOT NULL CHECK (lots > 0),
  notional bigint NOT NULL CHECK (notional > 0),
  maker_order uuid NOT NULL,
  taker_order uuid NOT NULL,
  taker_side text NOT NULL CHECK (taker_side IN ('buy', 'sell')),
  buyer bigint NOT NULL,
  seller bigint NOT NULL CHECK (seller <> buyer),
  maker_fee bigint NOT NULL CHECK (maker_fee >= 0),
  taker_fee bigint NOT NULL CHECK (taker_fee >= 0),
  at timestamptz NOT NULL,
  UNIQUE (seq, idx)
);
CREATE INDEX trade_market ON trading.trade (market, seq, idx);
CREATE INDEX trade_buyer ON trading.trade (buyer, seq, idx);
CREATE INDEX trade_seller ON trading.trade (seller, seq, idx);
CREATE INDEX trade_maker_order ON trading.trade (maker_order);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON trading.trade
  EXECUTE FUNCTION platform.refuse_change();

-- Rows of one journal batch: [{markets, inserted, updated, trades}]. Markets are objects; the others
-- are columns, each an array literal, which Postgres reads faster than objects of JSON. The planner,
-- who knows nothing of their length, is kept from reading the whole table to update a few orders.
CREATE FUNCTION trading.apply(p_effects jsonb) RETURNS void
LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off
AS $$
DECLARE
  v_rows jsonb;
  v jsonb;
BEGIN
  FOR v_rows IN SELECT * FROM jsonb_array_elements(p_effects) LOOP
    INSERT INTO trading.market
    SELECT * FROM jsonb_populate_recordset(null::trading.market, v_rows -> 'markets')
    ON CONFLICT (id) DO UPDATE SET status = excluded.status;

    v := v_rows -> 'inserted';
    INSERT INTO trading."order" (id, seq, account, market, side, type, time_in_force,
      client_order_id, request_hash, limit_ticks, lots, filled_lots, maker_notional,
      taker_notional, status, reason, created_at)
    SELECT r.id, r.seq, r.account, r.market, r.side, r.type, r.time_in_force,
      r.client_order_id, r.request_hash, r.limit_ticks, r.lots, r.filled_lots, r.maker_notional,
      r.taker_notional, r.status, r.reason,
      'epoch'::timestamptz + r.created_at * interval '1 millisecond'
    FROM unnest((v ->> 'id')::uuid[], (v ->> 'seq')::bigint[], (v ->> 'account')::bigint[],
      (v ->> 'market')::text[], (v ->> 'side')::text[], (v ->> 'type')::text[],
      (v ->> 'time_in_force')::text[], (v ->> 'client_order_id')::text[],
      (v ->> 'request_hash')::text[], (v ->> 'limit_ticks')::bigint[], (v ->> 'lots')::bigint[],
      (v ->> 'filled_lots')::bigint[], (v ->> 'maker_notional')::bigint[],
      (v ->> 'taker_notional')::bigint[], (v ->> 'status')::text[], (v ->> 'reason')::text[],
      (v ->> 'created_at')::bigint[])
      AS r (id, seq, account, market, side, type, time_in_force, client_order_id, request_hash,
      limit_ticks, lots, filled_lots, maker_notional, taker_notional, status, reason, created_at);

    v := v_rows -> 'updated';
    UPDATE trading."order" AS o
    SET filled_lots = r.filled_lots, maker_notional = r.maker_notional,
        taker_notional = r.taker_notional, status = r.status, reason = r.reason
    FROM unnest((v ->> 'id')::uuid[], (v ->> 'filled_lots')::bigint[],
      (v ->> 'maker_notional')::bigint[], (v ->> 'taker_notional')::bigint[],
      (v ->> 'status')::text[], (v ->> 'reason')::text[])
      AS r (id, filled_lots, maker_notional, taker_notional, status, reason)
    WHERE o.id = r.id;

    v := v_rows -> 'trades';
    INSERT INTO trading.trade (id, market, seq, idx, ticks, lots, notional, maker_order,
      taker_order, taker_side, buyer, seller, maker_fee, taker_fee, at)
    SELECT r.id, r.market, r.seq, r.idx, r.ticks, r.lots, r.notional, r.maker_order,
      r.taker_order, r.taker_side, r.buyer, r.seller, r.maker_fee, r.taker_fee,
      'epoch'::timestamptz + r.at * interval '1 millisecond'
    FROM unnest((v ->> 'id')::uuid[], (v ->> 'market')::text[], (v ->> 'seq')::bigint[],
      (v ->> 'idx')::int[], (v ->> 'ticks')::bigint[], (v ->> 'lots')::bigint[],
      (v ->> 'notional')::bigint[], (v ->> 'maker_order')::uuid[],
      (v ->> 'taker_order')::uuid[], (v ->> 'taker_side')::text[], (v ->> 'buyer')::bigint[],
      (v ->> 'seller')::bigint[], (v ->> 'maker_fee')::bigint[], (v ->> 'taker_fee')::bigint[],
      (v ->> 'at')::bigint[])
      AS r (id, market, seq, idx, ticks, lots, notional, maker_order, taker_order, taker_side,
      buyer, seller, maker_fee, taker_fee, at);
  END LOOP;
END
$$;

INSERT INTO ledger.effect_handler (context) VALUES ('trading');

SELECT platform.grant_schema('trading');
