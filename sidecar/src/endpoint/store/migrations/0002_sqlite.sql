-- Users whom a provider knows, as it last described them.
CREATE TABLE people (
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    issuer TEXT NOT NULL,
    profile TEXT NOT NULL,
    known_since INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, user_id)
) STRICT;
CREATE INDEX people_seen ON people (seen_at);

-- What came once and may not come again, until nobody would take it any more.
CREATE TABLE used (
    tenant TEXT NOT NULL,
    digest BLOB NOT NULL,
    ends_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, digest)
) STRICT;
CREATE INDEX used_ends ON used (ends_at);
