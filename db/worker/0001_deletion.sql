-- Worker database: the ledger, one row a deletion. Beside the application's user_files table, in a schema of its own.
CREATE TABLE farewell.deletion (
    deletion_id     uuid        PRIMARY KEY,
    user_id         text        NOT NULL,
    status          text        NOT NULL DEFAULT 'accepted'
                    CHECK (status IN ('accepted', 'running', 'retrying', 'parked', 'cancelled', 'completed')),
    turn            integer     NOT NULL DEFAULT 1,   -- a message with a lower turn is superseded
    attempts        integer     NOT NULL DEFAULT 0,   -- failures counted
    starts          integer     NOT NULL DEFAULT 0,   -- starts since the last outcome: more than one, and a child died
    files_deleted   bigint      NOT NULL DEFAULT 0,
    mail            text        NOT NULL DEFAULT 'pending'
                    CHECK (mail IN ('none', 'pending', 'sending', 'sent', 'refused', 'unknown')),
    last_error      text,
    next_attempt_at timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    failing_since   timestamptz,                      -- the first failure of the present series
    updated_at      timestamptz NOT NULL DEFAULT now(),
    mailed_at       timestamptz,
    finished_at     timestamptz
);

CREATE INDEX deletion_unfinished ON farewell.deletion (updated_at) WHERE finished_at IS NULL;
