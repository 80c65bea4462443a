-- When the present turn was committed, before its message is published: what tells a message that waits from one that is lost. Null: before this migration.
ALTER TABLE farewell.deletion ADD COLUMN turned_at timestamptz;
