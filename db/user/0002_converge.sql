-- A cancelled request is nobody's "same deletion": whoever is restored and gets the very same mark again has a new one.
ALTER TABLE farewell.request DROP CONSTRAINT request_user_id_mark_key;
CREATE UNIQUE INDEX request_live ON farewell.request (user_id, mark) WHERE status <> 'cancelled';
CREATE INDEX request_user ON farewell.request (user_id, requested_at);

-- Which version of the ledger's row is copied here: an older report never overwrites a newer one.
ALTER TABLE farewell.request ADD COLUMN version bigint NOT NULL DEFAULT 0;
-- When a repeated DELETE last asked for a sweep; the reconciler does it and sets null.
ALTER TABLE farewell.request ADD COLUMN sweep_asked timestamptz;
CREATE INDEX request_sweep_asked ON farewell.request (sweep_asked) WHERE sweep_asked IS NOT NULL;

-- Which database this is: with the system identifier and the timeline it is the lineage that every message carries.
CREATE TABLE farewell.installation (
    installation_id uuid        NOT NULL DEFAULT gen_random_uuid(),
    created_at      timestamptz NOT NULL DEFAULT now(),
    only_one        boolean     PRIMARY KEY DEFAULT true CHECK (only_one)
);
INSERT INTO farewell.installation DEFAULT VALUES;
