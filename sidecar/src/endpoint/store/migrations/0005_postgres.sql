-- Whose a code is, and when they took it back: what is on its way to an application ends with what it has.
ALTER TABLE codes ADD COLUMN user_id TEXT;
ALTER TABLE codes ADD COLUMN withdrawn_at BIGINT;
CREATE INDEX codes_of_user ON codes (tenant, user_id) WHERE withdrawn_at IS NULL;
