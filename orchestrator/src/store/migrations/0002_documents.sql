-- What a build made to be read as a whole: its plan, its outcome. Events stay
-- the truth about it; a document is written once or replaced by an equal one.
CREATE TABLE document (
    build TEXT NOT NULL REFERENCES build (id),
    name  TEXT NOT NULL,                        -- what it is
    body  TEXT NOT NULL,                        -- JSON
    PRIMARY KEY (build, name)
) STRICT;
