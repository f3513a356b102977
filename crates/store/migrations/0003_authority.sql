-- The authority of our own: its trust domain, and the number of its last list.
CREATE TABLE authority (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    domain TEXT NOT NULL,
    number INTEGER NOT NULL
) STRICT;

CREATE TABLE issuers (
    id TEXT PRIMARY KEY,
    chain TEXT NOT NULL,
    root TEXT NOT NULL,
    outside INTEGER NOT NULL,
    since INTEGER NOT NULL,
    ends INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE certificates (
    serial TEXT PRIMARY KEY,
    issuer TEXT NOT NULL,
    role TEXT NOT NULL,
    name TEXT NOT NULL,
    hosts TEXT NOT NULL,
    life INTEGER NOT NULL,
    public BLOB NOT NULL,
    begins INTEGER NOT NULL,
    ends INTEGER NOT NULL,
    revoked INTEGER,
    reason TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX certificates_by_name ON certificates (name);

-- Of a code the hash of its secret alone.
CREATE TABLE invitations (
    id TEXT PRIMARY KEY,
    digest BLOB NOT NULL,
    role TEXT NOT NULL,
    name TEXT NOT NULL,
    hosts TEXT NOT NULL,
    life INTEGER NOT NULL,
    ends INTEGER NOT NULL,
    spent INTEGER
) STRICT, WITHOUT ROWID;
