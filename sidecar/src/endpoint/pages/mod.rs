//! What the endpoint shows to people: signing in, consent, errors, signed out.
