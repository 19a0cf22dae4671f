-- Times are microseconds since 1970-01-01 UTC.

-- One row per Parquet file. pending: committed, the file may still carry its temporary name;
-- live: under its final name; retired: replaced or expired, deleted after a grace period.
CREATE TABLE segments (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    dataset      TEXT NOT NULL,
    tenant       TEXT NOT NULL,
    dt           TEXT NOT NULL,
    hh           TEXT NOT NULL,
    file         TEXT NOT NULL,
    rows         INTEGER NOT NULL,
    bytes        INTEGER NOT NULL,
    min_ts       INTEGER NOT NULL,
    max_ts       INTEGER NOT NULL,
    min_ingested INTEGER,
    max_ingested INTEGER,
    state        TEXT NOT NULL CHECK (state IN ('pending', 'live', 'retired')),
    retired_at   INTEGER
) STRICT;
CREATE INDEX segments_state ON segments (state, dataset, tenant);

-- Rows that retention took away, so that counts can still be checked against what is stored.
CREATE TABLE expired_rows (
    dataset TEXT NOT NULL,
    tenant  TEXT NOT NULL,
    rows    INTEGER NOT NULL,
    PRIMARY KEY (dataset, tenant)
) STRICT, WITHOUT ROWID;

CREATE TABLE positions (
    source TEXT NOT NULL,
    key    TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (source, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE cleanups (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    source          TEXT NOT NULL,
    key             TEXT NOT NULL,
    action          TEXT NOT NULL,
    attempts        INTEGER NOT NULL DEFAULT 0,
    next_attempt_at INTEGER NOT NULL DEFAULT 0,
    last_error      TEXT
) STRICT;

CREATE TABLE marks (
    tenant      TEXT NOT NULL,
    mark        TEXT NOT NULL,
    body_sha256 TEXT NOT NULL,
    reply       TEXT NOT NULL,
    accepted_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, mark)
) STRICT, WITHOUT ROWID;
CREATE INDEX marks_age ON marks (accepted_at);

CREATE TABLE counts (
    source      TEXT NOT NULL,
    tenant      TEXT NOT NULL,
    dataset     TEXT NOT NULL,
    lines_in    INTEGER NOT NULL,
    events      INTEGER NOT NULL,
    rejected    INTEGER NOT NULL,
    duplicates  INTEGER NOT NULL,
    sampled_out INTEGER NOT NULL,
    skipped     INTEGER NOT NULL,
    PRIMARY KEY (source, tenant, dataset)
) STRICT, WITHOUT ROWID;

CREATE TABLE dlq (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    source  TEXT NOT NULL,
    tenant  TEXT NOT NULL,
    origin  TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    reason  TEXT NOT NULL,
    detail  TEXT NOT NULL,
    parser  TEXT NOT NULL,
    at      INTEGER NOT NULL,
    size    INTEGER NOT NULL
) STRICT;
CREATE INDEX dlq_reason ON dlq (reason, id);
CREATE INDEX dlq_source ON dlq (source, id);
-- Apart from the index, so that a listing does not page through the bytes.
CREATE TABLE dlq_bytes (
    id    INTEGER PRIMARY KEY,
    size  INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;
CREATE TABLE dlq_counts (
    source  TEXT NOT NULL,
    tenant  TEXT NOT NULL,
    reason  TEXT NOT NULL,
    records INTEGER NOT NULL,
    PRIMARY KEY (source, tenant, reason)
) STRICT, WITHOUT ROWID;
CREATE TABLE dlq_total (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    records INTEGER NOT NULL,
    bytes   INTEGER NOT NULL
) STRICT;
INSERT INTO dlq_total VALUES (1, 0, 0);

CREATE TABLE findings (
    id           TEXT PRIMARY KEY,
    tenant       TEXT NOT NULL,
    rule_id      TEXT NOT NULL,
    entity_kind  TEXT NOT NULL,
    entity_value TEXT NOT NULL,
    start_ts     INTEGER NOT NULL,
    end_ts       INTEGER NOT NULL,
    level        INTEGER NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('active', 'merged', 'withdrawn')),
    merged_into  TEXT,
    document     TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX findings_entity ON findings (tenant, rule_id, entity_kind, entity_value, end_ts);
CREATE INDEX findings_time ON findings (tenant, end_ts);
CREATE INDEX findings_newest ON findings (end_ts);

CREATE TABLE incidents (
    id            TEXT PRIMARY KEY,
    tenant        TEXT NOT NULL,
    entity_kind   TEXT NOT NULL,
    entity_value  TEXT NOT NULL,
    state         TEXT NOT NULL,
    level         TEXT NOT NULL,
    opened_at     INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    last_event_ts INTEGER NOT NULL,
    document      TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX incidents_entity ON incidents (tenant, entity_kind, entity_value, last_event_ts);
CREATE INDEX incidents_updated ON incidents (updated_at);

CREATE TABLE outbox (
    seq             INTEGER PRIMARY KEY AUTOINCREMENT,
    id              TEXT NOT NULL UNIQUE,
    channel         TEXT NOT NULL,
    kind            TEXT NOT NULL,
    payload         TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    state           TEXT NOT NULL DEFAULT 'pending'
                    CHECK (state IN ('pending', 'sending', 'done', 'dead')),
    attempts        INTEGER NOT NULL DEFAULT 0,
    next_attempt_at INTEGER NOT NULL DEFAULT 0,
    last_error      TEXT
) STRICT;
CREATE INDEX outbox_open ON outbox (next_attempt_at) WHERE state IN ('pending', 'sending');

CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail  TEXT NOT NULL
) STRICT;
