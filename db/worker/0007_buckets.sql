-- In which store a bucket was when objects were deleted from it: one of the same name in another
-- store, where they are not, must not be taken for it.
CREATE TABLE farewell.bucket (
    bucket  text COLLATE "C" PRIMARY KEY,
    store   text        NOT NULL,  -- the name of its block; empty: the default store
    seen_at timestamptz NOT NULL DEFAULT now()
);
