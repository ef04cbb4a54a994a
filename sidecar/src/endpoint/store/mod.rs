//! What the endpoint must remember: sessions, codes, refresh tokens, consents.
