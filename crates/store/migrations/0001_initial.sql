CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    agent TEXT NOT NULL,
    user TEXT,
    servers TEXT NOT NULL,
    tools TEXT NOT NULL,
    issued INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A token may be revoked that was never kept here: it is then told by its id alone.
CREATE TABLE revocations (
    id TEXT PRIMARY KEY,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE vault_head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    method TEXT NOT NULL,
    salt BLOB NOT NULL,
    memory INTEGER NOT NULL,
    passes INTEGER NOT NULL,
    lanes INTEGER NOT NULL,
    version INTEGER NOT NULL,
    wrapped BLOB NOT NULL
) STRICT;

CREATE TABLE vault_entries (
    server TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    key BLOB NOT NULL,
    value BLOB NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    PRIMARY KEY (server, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE epoch (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    highest INTEGER NOT NULL
) STRICT;
INSERT INTO epoch (one, highest) VALUES (1, 0);

CREATE TRIGGER epoch_only_rises BEFORE UPDATE ON epoch WHEN NEW.highest < OLD.highest
BEGIN
    SELECT RAISE(ABORT, 'an epoch only rises');
END;

CREATE TRIGGER epoch_stays BEFORE DELETE ON epoch
BEGIN
    SELECT RAISE(ABORT, 'an epoch only rises');
END;

CREATE TABLE stops (
    scope TEXT PRIMARY KEY,
    epoch INTEGER NOT NULL,
    reason TEXT NOT NULL,
    by TEXT NOT NULL,
    at INTEGER NOT NULL,
    released INTEGER
) STRICT, WITHOUT ROWID;

-- Which key each part began with: a key that is gone or another is noticed.
CREATE TABLE keys (
    part TEXT PRIMARY KEY,
    public BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE trees (
    path BLOB PRIMARY KEY,
    fingerprint BLOB NOT NULL,
    digest BLOB NOT NULL
) STRICT, WITHOUT ROWID;
