-- Times are whole seconds since 1970; a tenant is named by its object's UID.
CREATE TABLE sessions (
    tenant TEXT NOT NULL,
    id BLOB NOT NULL,
    user_id TEXT NOT NULL,
    domain TEXT NOT NULL,
    authenticated_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    idle_until INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    profile TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX sessions_of_user ON sessions (tenant, user_id);
CREATE INDEX sessions_idle ON sessions (idle_until);
CREATE INDEX sessions_ends ON sessions (ends_at);

CREATE TABLE codes (
    tenant TEXT NOT NULL,
    digest BLOB NOT NULL,
    client TEXT NOT NULL,
    family BLOB NOT NULL,
    payload TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    consumed_at INTEGER,
    replayed_at INTEGER,
    PRIMARY KEY (tenant, digest)
) STRICT;
CREATE UNIQUE INDEX codes_of_family ON codes (tenant, family);
CREATE INDEX codes_ends ON codes (expires_at);

CREATE TABLE families (
    tenant TEXT NOT NULL,
    id BLOB NOT NULL,
    client TEXT NOT NULL,
    user_id TEXT NOT NULL,
    session BLOB,
    payload TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    idle_until INTEGER,
    token BLOB NOT NULL,
    token_before BLOB,
    rotated_at INTEGER,
    revoked_at INTEGER,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX families_of_user ON families (tenant, user_id, client, created_at);
CREATE INDEX families_of_client ON families (tenant, client);
CREATE INDEX families_of_session ON families (tenant, session) WHERE session IS NOT NULL;
CREATE INDEX families_ends ON families (ends_at);
CREATE INDEX families_idle ON families (idle_until) WHERE idle_until IS NOT NULL AND revoked_at IS NULL;

-- One row for each scope, so that two consents at once add up. The empty audience is the tenant's own.
CREATE TABLE consents (
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    client TEXT NOT NULL,
    audience TEXT NOT NULL,
    scope TEXT NOT NULL,
    given_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, user_id, client, audience, scope)
) STRICT;
