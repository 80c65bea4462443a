-- What an edit by hand must not leave behind: numbers at the end of their type can't be counted up, and of an infinite time there is no age.
UPDATE farewell.deletion SET version = 1, reported = 0 WHERE version NOT BETWEEN 0 AND 4611686018427387903 OR reported NOT BETWEEN 0 AND 4611686018427387903;
UPDATE farewell.deletion SET turn = 1 WHERE turn NOT BETWEEN 0 AND 1000000000;
UPDATE farewell.deletion SET failing_since = NULL WHERE NOT isfinite(failing_since);
UPDATE farewell.deletion SET cause_since = NULL WHERE NOT isfinite(cause_since);
UPDATE farewell.deletion SET passed_at = NULL WHERE NOT isfinite(passed_at);
UPDATE farewell.deletion SET turned_at = NULL WHERE NOT isfinite(turned_at);
UPDATE farewell.deletion SET next_attempt_at = NULL WHERE NOT isfinite(next_attempt_at);
-- A mail that was marked before migration 0002 noted when.
UPDATE farewell.deletion SET sending_since = CASE WHEN isfinite(updated_at) THEN updated_at ELSE to_timestamp(0) END
 WHERE mail = 'sending' AND (sending_since IS NULL OR NOT isfinite(sending_since));

ALTER TABLE farewell.deletion
    ADD CONSTRAINT deletion_version CHECK (version BETWEEN 0 AND 4611686018427387903 AND reported BETWEEN 0 AND 4611686018427387903),
    ADD CONSTRAINT deletion_turn CHECK (turn BETWEEN 0 AND 1000000000),
    ADD CONSTRAINT deletion_times CHECK (isfinite(failing_since) AND isfinite(cause_since) AND isfinite(passed_at) AND isfinite(turned_at)
                                         AND isfinite(next_attempt_at) AND isfinite(sending_since));
