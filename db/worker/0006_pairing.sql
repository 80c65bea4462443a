-- Which ledger this is: the user database remembers the one that belongs to it.
CREATE TABLE farewell.ledger (
    ledger_id  uuid        NOT NULL DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now(),
    only_one   boolean     PRIMARY KEY DEFAULT true CHECK (only_one)
);
INSERT INTO farewell.ledger DEFAULT VALUES;
