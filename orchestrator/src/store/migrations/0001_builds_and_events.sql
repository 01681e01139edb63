-- One row for each build; everything in it but the request and the key can be
-- told from its events and is kept here to be searched.
CREATE TABLE build (
    id              TEXT    NOT NULL PRIMARY KEY,
    idempotency_key TEXT    UNIQUE,
    request         TEXT    NOT NULL,           -- JSON
    state           TEXT    NOT NULL,           -- name of the state
    created_at      INTEGER NOT NULL,           -- microseconds since 1970, UTC
    ended_at        INTEGER,                    -- null while unfinished
    last_seq        INTEGER NOT NULL            -- sequence of the newest event
) STRICT;

CREATE INDEX build_by_state ON build (state, id);
CREATE INDEX build_unfinished ON build (id) WHERE ended_at IS NULL;

-- What happened, append only.
CREATE TABLE event (
    build TEXT    NOT NULL REFERENCES build (id),
    seq   INTEGER NOT NULL,                     -- from 1 without gaps
    at    INTEGER NOT NULL,                     -- microseconds since 1970, UTC
    body  TEXT    NOT NULL,                     -- JSON
    PRIMARY KEY (build, seq)
) STRICT;
