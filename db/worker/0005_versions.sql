-- Objects whose older versions remain, because worker.s3_versions is current: the mail says so.
ALTER TABLE farewell.deletion ADD COLUMN versions_left bigint NOT NULL DEFAULT 0;
