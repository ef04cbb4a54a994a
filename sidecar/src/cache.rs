//! Tokens that serve more than one request. Each cache belongs to one loaded bundle and goes with it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use mintage_core::claims::Jti;
use mintage_core::jose::SigningFailed;
use mintage_core::mint::Order;
use mintage_core::policy::Granted;
use mintage_core::{Kid, UnixTime};
use moka::sync::Cache;

/// A token on its way to who asked for it.
#[derive(Clone, Debug)]
pub struct HandedOut {
    /// The token.
    pub token: Arc<str>,
    /// Its `jti`, where its dialect has one.
    pub jti: Option<Jti>,
    /// Its `iat`.
    pub issued_at: UnixTime,
    /// Where it came from.
    pub source: Source,
}

/// Where a token came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// The tenant's endpoint made it for this request.
    Central,
    /// The tenant's endpoint made it before, and is away.
    Kept,
    /// It was signed for this request.
    Signed,
    /// It was signed for an equal request of this second, or made by the endpoint for an equal request at once.
    Shared,
    /// It was handed out before.
    Reused,
}

impl Source {
    /// The name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Central => "central",
            Self::Kept => "kept",
            Self::Signed => "signed",
            Self::Shared => "shared",
            Self::Reused => "reused",
        }
    }
}

type Slot = Arc<OnceLock<Result<Arc<str>, SigningFailed>>>;

/// One signature for all equal orders of a second. An order says its second, so no token is older than a fresh one
/// would be: it is the fresh one.
#[derive(Debug, Default)]
pub struct SignOnce {
    second: Mutex<(UnixTime, HashMap<Order, Slot>)>,
}

/// More different orders in one second are signed each.
const MAX_ORDERS: usize = 4096;

impl SignOnce {
    /// The token of a repeatable order. Of concurrent first requests one signs and the others wait for it.
    pub fn token(
        &self,
        order: &Order,
        sign: impl FnOnce() -> Result<String, SigningFailed>,
    ) -> Result<Arc<str>, SigningFailed> {
        let slot = self.slot(order);
        slot.get_or_init(|| sign().map(Arc::from)).clone()
    }

    fn slot(&self, order: &Order) -> Slot {
        // Nothing in here panics half-way, so what a poisoned lock holds is whole.
        let mut guard = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        let (second, slots) = &mut *guard;
        if *second != order.issued_at {
            *second = order.issued_at;
            slots.clear();
        }
        if let Some(slot) = slots.get(order) {
            return Arc::clone(slot);
        }
        let slot = Slot::default();
        if slots.len() < MAX_ORDERS {
            slots.insert(order.clone(), Arc::clone(&slot));
        }
        slot
    }
}

/// Tokens for those who allow an older one (`Mintage-Cache: allow`), while a third of their life is left.
#[derive(Debug)]
pub struct Reuse {
    tokens: Cache<(Granted, Kid), HandedOut>,
}

impl Default for Reuse {
    fn default() -> Self {
        Self {
            tokens: Cache::new(1024),
        }
    }
}

impl Reuse {
    /// A token that would do.
    pub fn get(&self, order: &Order) -> Option<HandedOut> {
        let lifetime = order.granted.terms.lifetime;
        let kept = self
            .tokens
            .get(&(order.granted.clone(), order.kid.clone()))?;
        let rest = kept.issued_at + lifetime - order.issued_at;
        // A clock that was set back must not hand out a token from the future.
        (rest * 3 >= lifetime && rest <= lifetime).then_some(kept)
    }

    /// Keeps a token.
    pub fn keep(&self, order: &Order, fresh: &HandedOut) {
        let key = (order.granted.clone(), order.kid.clone());
        let kept = HandedOut {
            source: Source::Reused,
            ..fresh.clone()
        };
        self.tokens.insert(key, kept);
    }
}
