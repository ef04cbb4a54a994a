//! The last good token of each order.

use std::sync::Arc;

use mintage_core::policy::Granted;
use mintage_core::verify::Delivery;
use mintage_core::{Seconds, UnixTime};
use moka::sync::Cache;

/// The most orders whose last token is kept.
const MOST: u64 = 1024;

/// A token that the endpoint gave.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token.
    pub text: Arc<str>,
    /// The key that signed.
    pub kid: Arc<str>,
    /// Its `jti`, where its dialect has one.
    pub jti: Option<Arc<str>>,
    /// `iat`.
    pub issued_at: UnixTime,
    /// `exp`.
    pub expires_at: UnixTime,
}

impl Token {
    /// One that was found to be what was ordered.
    pub(super) fn new(text: String, delivery: Delivery) -> Self {
        Self {
            text: text.into(),
            kid: delivery.kid.into(),
            jti: delivery.jti.map(Arc::from),
            issued_at: delivery.issued_at,
            expires_at: delivery.expires_at,
        }
    }

    /// How long it lives still.
    pub fn rest(&self, now: UnixTime) -> Seconds {
        self.expires_at - now
    }

    /// Whether a third of its life is left, as where the sidecar signs itself.
    pub(super) fn may_be_reused(&self, now: UnixTime) -> bool {
        let (rest, life) = (self.rest(now), self.expires_at - self.issued_at);
        // A clock that was set back must not hand out a token from the future.
        rest * 3 >= life && rest <= life
    }
}

/// Last tokens, by order.
#[derive(Debug)]
pub(super) struct Kept(Cache<Granted, Token>);

impl Default for Kept {
    fn default() -> Self {
        Self(Cache::new(MOST))
    }
}

impl Kept {
    /// The last one, if it lives.
    pub fn get(&self, granted: &Granted, now: UnixTime) -> Option<Token> {
        self.0.get(granted).filter(|kept| kept.rest(now) > 0)
    }

    /// Keeps one in place of the one before.
    pub fn keep(&self, granted: &Granted, token: &Token) {
        self.0.insert(granted.clone(), token.clone());
    }

    /// Keeps none.
    pub fn forget(&self, granted: &Granted) {
        self.0.invalidate(granted);
    }
}
