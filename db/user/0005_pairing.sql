-- Which ledger (farewell.ledger of the worker database) belongs to this user database, since when. The first worker writes it.
CREATE TABLE farewell.pairing (
    ledger_id uuid        NOT NULL,
    paired_at timestamptz NOT NULL DEFAULT now(),
    only_one  boolean     PRIMARY KEY DEFAULT true CHECK (only_one)
);
