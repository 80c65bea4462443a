-- A version at the end of its type, by an edit by hand, could not be raised any more.
UPDATE farewell.request SET version = 0 WHERE version NOT BETWEEN 0 AND 4611686018427387902;
ALTER TABLE farewell.request ADD CONSTRAINT request_version CHECK (version BETWEEN 0 AND 4611686018427387902);
