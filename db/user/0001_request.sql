-- User database: what was asked for. Beside the application's users table, in a schema of its own.
-- No foreign key to users: the account's row may be removed altogether, the request stays.
CREATE TABLE farewell.request (
    deletion_id     uuid        PRIMARY KEY,
    user_id         text        NOT NULL,
    mark            text        NOT NULL,  -- users.deleted_at as stored, as text: which deletion of this user it is
    requested_by    text,                  -- the token's subject; null without authentication or from another producer
    request_id      text,
    requested_at    timestamptz NOT NULL DEFAULT now(),
    published_at    timestamptz,           -- when the broker last confirmed the message
    started_at      timestamptz,           -- point of no return: check it, under the users row's lock, before restoring
    finished_at     timestamptz,           -- completed or cancelled: from then on users and user_files rows may go
    -- A copy of the ledger's state, for GET /users/{id}/deletion; the truth is in the worker database.
    status          text        NOT NULL DEFAULT 'accepted'
                    CHECK (status IN ('accepted', 'running', 'retrying', 'parked', 'cancelled', 'completed')),
    mail            text        NOT NULL DEFAULT 'pending'
                    CHECK (mail IN ('none', 'pending', 'sending', 'sent', 'refused', 'unknown')),
    files_deleted   bigint      NOT NULL DEFAULT 0,
    attempts        integer     NOT NULL DEFAULT 0,
    last_error      text,
    next_attempt_at timestamptz,
    -- The reconciler's own: when it may look again, and how often it did.
    reconcile_at    timestamptz NOT NULL DEFAULT now(),
    reconciled      integer     NOT NULL DEFAULT 0,
    UNIQUE (user_id, mark)
);

-- The reconciler looks for the unfinished, the longest due first; of all requests ever made these are few.
CREATE INDEX request_unfinished ON farewell.request (reconcile_at) WHERE finished_at IS NULL;
