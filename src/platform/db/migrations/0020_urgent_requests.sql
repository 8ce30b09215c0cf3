-- Settlement goes out before the withdrawals that wait for a nonce: behind a long queue of them the next
-- batch would grow, take longer and make the queue longer still.
ALTER TABLE chain.tx_request ADD COLUMN is_urgent boolean NOT NULL DEFAULT false;
