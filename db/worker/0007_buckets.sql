-- In which store a bucket was looked for first: one of the same name in another store, where its
-- objects are not, must not be taken for it.
CREATE TABLE farewell.bucket (
    bucket    text COLLATE "C" PRIMARY KEY,
    store     text        NOT NULL,  -- the name of its block; empty: the default store
    seen_at   timestamptz NOT NULL DEFAULT now(),
    proven_at timestamptz            -- when the store first answered for it
);
