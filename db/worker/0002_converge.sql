-- Each change of status has a version; the request has heard of the one that is reported. Rows of before count as told.
ALTER TABLE farewell.deletion ADD COLUMN version bigint NOT NULL DEFAULT 1;
ALTER TABLE farewell.deletion ADD COLUMN reported bigint NOT NULL DEFAULT 1;
ALTER TABLE farewell.deletion ALTER COLUMN reported SET DEFAULT 0;
CREATE INDEX deletion_unreported ON farewell.deletion (updated_at) WHERE reported < version;

-- Mails begun, and not taken back by a definite failure: never more than two.
ALTER TABLE farewell.deletion ADD COLUMN mails integer NOT NULL DEFAULT 0;
ALTER TABLE farewell.deletion ADD COLUMN sending_since timestamptz;
UPDATE farewell.deletion SET mails = 1 WHERE mail IN ('sending', 'sent', 'unknown');

-- Failures of one kind in a row: what needs a person is parked after a few of its own.
ALTER TABLE farewell.deletion ADD COLUMN cause text;
ALTER TABLE farewell.deletion ADD COLUMN cause_attempts integer NOT NULL DEFAULT 0;
ALTER TABLE farewell.deletion ADD COLUMN cause_since timestamptz;

-- The end of the first whole pass over the files, and when to look for late ones; null: no more sweeps.
ALTER TABLE farewell.deletion ADD COLUMN passed_at timestamptz;
ALTER TABLE farewell.deletion ADD COLUMN swept integer NOT NULL DEFAULT 0;
ALTER TABLE farewell.deletion ADD COLUMN sweep_at timestamptz;
CREATE INDEX deletion_sweep ON farewell.deletion (sweep_at) WHERE sweep_at IS NOT NULL;

-- The lineage of the user database that was seen last: another one means a fail-over, a restore or a clone.
CREATE TABLE farewell.lineage (
    lineage  text        NOT NULL,
    seen_at  timestamptz NOT NULL DEFAULT now(),
    only_one boolean     PRIMARY KEY DEFAULT true CHECK (only_one)
);
