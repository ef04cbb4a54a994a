-- Used codes are kept for a day, and looked through by no sweep for unused ones. Each code is in one of the two.
DROP INDEX codes_ends;
CREATE INDEX codes_unused ON codes (expires_at) WHERE consumed_at IS NULL;
CREATE INDEX codes_used ON codes (expires_at) WHERE consumed_at IS NOT NULL;
