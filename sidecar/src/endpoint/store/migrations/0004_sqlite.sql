-- When a consent was asked for last, to the day; NULL is not since it was given.
ALTER TABLE consents ADD COLUMN used_at INTEGER;
CREATE INDEX consents_used ON consents ((COALESCE(used_at, given_at)));
