-- Ids of the parsers (`name@vN`) whose rows the file holds, separated by spaces.
ALTER TABLE segments ADD COLUMN parsers TEXT NOT NULL DEFAULT '';

-- Users' parsers. A version never changes once it is here.
CREATE TABLE parsers (
    name       TEXT NOT NULL,
    version    INTEGER NOT NULL CHECK (version >= 1),
    kind       TEXT NOT NULL,
    dataset    TEXT NOT NULL,
    definition TEXT NOT NULL,
    -- WebAssembly of kind custom, else empty.
    module     BLOB NOT NULL,
    -- Who signed it and how; empty where no signature was asked for.
    signed_by  TEXT NOT NULL,
    signature  TEXT NOT NULL,
    added_at   INTEGER NOT NULL,
    PRIMARY KEY (name, version)
) STRICT;

-- Which version each name runs with, newest row last. alpha: only where a source names the
-- parser; stable: also chosen by content.
CREATE TABLE parser_channels (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    name    TEXT NOT NULL,
    channel TEXT NOT NULL CHECK (channel IN ('alpha', 'stable')),
    version INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    actor   TEXT NOT NULL
) STRICT;
CREATE INDEX parser_channels_name ON parser_channels (name, channel, id);

-- Comparisons of a candidate with the version in use on live data, as JSON.
CREATE TABLE parser_shadows (
    name       TEXT NOT NULL,
    candidate  INTEGER NOT NULL,
    against    INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    report     TEXT NOT NULL,
    PRIMARY KEY (name, candidate)
) STRICT, WITHOUT ROWID;
