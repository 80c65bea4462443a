-- When the present turn was committed, before its message is published: what tells a message that waits from one that is lost. Null: before this migration.
ALTER TABLE farewell.deletion ADD COLUMN turned_at timestamptz;

-- Whether what failed last heals with time: such rows are brought forward when a server is back.
ALTER TABLE farewell.deletion ADD COLUMN heals boolean NOT NULL DEFAULT false;
CREATE INDEX deletion_waiting ON farewell.deletion (next_attempt_at) WHERE heals AND next_attempt_at IS NOT NULL;

-- When it was found that its request is gone from the user database: a fail-over or a restore has lost it.
ALTER TABLE farewell.deletion ADD COLUMN vanished_at timestamptz;
CREATE INDEX deletion_vanished ON farewell.deletion (vanished_at) WHERE vanished_at IS NOT NULL;
