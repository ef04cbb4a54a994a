-- Users whom a provider knows, as it last described them.
CREATE TABLE people (
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    issuer TEXT NOT NULL,
    profile TEXT NOT NULL,
    known_since BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, user_id)
);
CREATE INDEX people_seen ON people (seen_at);

-- What came once and may not come again, until nobody would take it any more.
CREATE TABLE used (
    tenant TEXT NOT NULL,
    digest BYTEA NOT NULL,
    ends_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, digest)
);
CREATE INDEX used_ends ON used (ends_at);
