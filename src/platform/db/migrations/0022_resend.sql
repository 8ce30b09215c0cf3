-- A group whose transport lost events asks the relay to send them again. The relay takes a request
-- away when it goes back, and when the group has moved on by other ways.
CREATE TABLE platform.resend_request (
  stream text NOT NULL,
  consumer_group text NOT NULL,
  after_seq bigint NOT NULL CHECK (after_seq >= 0),
  wanted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (stream, consumer_group)
);

SELECT platform.grant_schema('platform');
