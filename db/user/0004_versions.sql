-- A copy of the ledger's: objects whose older versions remain, because worker.s3_versions is current.
ALTER TABLE farewell.request ADD COLUMN versions_left bigint NOT NULL DEFAULT 0;
