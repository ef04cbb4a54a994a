//! Tokens of Central APIs: the tenant's endpoint signs them, and the sidecar asks it.
//!
//! ```text
//!  Granted ─► an equal request under way? ─► Client: the pod's token, over TLS ─► the endpoint
//!                                                │
//!     handed out ◄── Verifier::check_delivery ◄──┘ away: the last good token of the same order, while it lives
//! ```

mod client;
mod kept;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use mintage_core::bundle::Endpoint;
use mintage_core::policy::Granted;
use mintage_core::{TenantRef, UnixTime};
use tokio::sync::OnceCell;

use crate::cache::Source;
use crate::metrics::Metrics;
use crate::oauth::OAuthError;
use crate::rule::Rule;
use crate::state::Loaded;
use client::{Client, Failure};
use kept::Kept;

pub use kept::Token;

/// The file with the token that tells the tenant's endpoint which pod asks.
pub const TOKEN: &str = "endpoint-token";

/// After the endpoint was found to be away, orders whose last token still lives do without it for so long, in seconds: each
/// would wait for as long as it takes to find that out again.
const REST: i64 = 2;

type Answer = Result<Token, Failure>;

/// A token on its way to who ordered it.
#[derive(Clone, Debug)]
pub struct Given {
    /// The token.
    pub token: Token,
    /// Where it came from.
    pub source: Source,
}

/// Since when the endpoint has been away, and when that was last seen.
#[derive(Clone, Copy, Debug)]
struct Away {
    since: UnixTime,
    seen: UnixTime,
}

/// Orders tokens at the tenant's endpoint.
pub struct Central {
    client: Client,
    kept: Kept,
    under_way: Mutex<HashMap<Granted, Arc<OnceCell<Answer>>>>,
    away: Mutex<Option<Away>>,
    metrics: Arc<Metrics>,
}

impl Central {
    /// Asks with the token that is in a folder.
    pub fn new(dir: &Path, metrics: Arc<Metrics>) -> Self {
        Self {
            client: Client::new(dir.join(TOKEN)),
            kept: Kept::default(),
            under_way: Mutex::default(),
            away: Mutex::default(),
            metrics,
        }
    }

    /// The token of an order. Where an older one would do (`may_reuse`), the endpoint is asked no more often than that ages.
    pub async fn token(
        &self,
        loaded: &Loaded,
        endpoint: &Arc<Endpoint>,
        granted: &Granted,
        (now, may_reuse): (UnixTime, bool),
    ) -> Result<Given, OAuthError> {
        // What was good when it came may be of a key that was revoked since.
        let kept = self.kept.get(granted, now);
        let kept = kept.filter(|kept| check(loaded, granted, kept, now));
        if let Some(kept) = &kept {
            let source = if may_reuse && kept.may_be_reused(now) {
                Some(Source::Reused)
            } else {
                self.is_resting(now).then_some(Source::Kept)
            };
            if let Some(source) = source {
                let token = kept.clone();
                return Ok(Given { token, source });
            }
        }
        let mut source = Source::Shared;
        let cell = self.cell(granted);
        let answer = cell
            .get_or_init(async || {
                source = Source::Central;
                self.ask(loaded, endpoint, granted, now).await
            })
            .await
            .clone();
        self.done(granted, &cell);
        let tenant = &loaded.bundle.body.tenant;
        let failure = match answer {
            Ok(token) => return Ok(Given { token, source }),
            Err(failure) => failure,
        };
        match kept.filter(|_| !matches!(failure, Failure::Refused { .. })) {
            Some(token) => Ok(Given {
                token,
                source: Source::Kept,
            }),
            None => Err(self.error(failure, tenant, now)),
        }
    }

    /// Asks the endpoint, and takes note of how it went.
    async fn ask(
        &self,
        loaded: &Loaded,
        endpoint: &Arc<Endpoint>,
        granted: &Granted,
        now: UnixTime,
    ) -> Answer {
        let asked = self.client.ask(endpoint, granted).await;
        let answer = asked.and_then(|token| {
            let client = loaded.mint.policy().workload();
            let verifier = loaded.verifier();
            match verifier.check_delivery(&token, granted, client, now) {
                Ok(delivery) => Ok(Token::new(token, delivery)),
                Err(reason) => Err(Failure::Misbehaves(format!(
                    "what it sent is not the token that was ordered: {reason}"
                ))),
            }
        });
        self.metrics.count_central(match &answer {
            Ok(_) => "given",
            Err(failure) => failure.outcome(),
        });
        let is_away = match &answer {
            Ok(token) => {
                self.kept.keep(granted, token);
                false
            }
            Err(Failure::Refused { .. }) => {
                self.kept.forget(granted);
                false
            }
            Err(Failure::Away(why) | Failure::Misbehaves(why)) => {
                tracing::warn!(event = "endpoint-failed", audience = %granted.audience, reason = why);
                true
            }
            Err(Failure::NoToken(why)) => {
                tracing::warn!(event = "endpoint-failed", audience = %granted.audience, reason = why);
                false
            }
        };
        self.note(is_away, now);
        answer
    }

    fn note(&self, is_away: bool, now: UnixTime) {
        let mut away = lock(&self.away);
        *away = is_away.then(|| Away {
            since: away.map_or(now, |away| away.since),
            seen: now,
        });
    }

    /// Whether the endpoint was found to be away a moment ago.
    fn is_resting(&self, now: UnixTime) -> bool {
        let away = *lock(&self.away);
        away.is_some_and(|away| (0..REST).contains(&(now - away.seen)))
    }

    /// The request that is under way for equal orders, or a new one.
    fn cell(&self, granted: &Granted) -> Arc<OnceCell<Answer>> {
        let mut under_way = lock(&self.under_way);
        Arc::clone(under_way.entry(granted.clone()).or_default())
    }

    /// Later orders are to have a request of their own.
    fn done(&self, granted: &Granted, cell: &Arc<OnceCell<Answer>>) {
        let mut under_way = lock(&self.under_way);
        if under_way
            .get(granted)
            .is_some_and(|of| Arc::ptr_eq(of, cell))
        {
            under_way.remove(granted);
        }
    }

    fn error(&self, failure: Failure, tenant: &TenantRef, now: UnixTime) -> OAuthError {
        let unavailable = |rule, text: String| {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            OAuthError::new(status, "temporarily_unavailable", rule, text)
        };
        let away = *lock(&self.away);
        let seconds = away.map_or(0, |away| (now - away.since).max(0));
        match failure {
            Failure::Away(why) => unavailable(
                Rule::EndpointAway,
                format!(
                    "the endpoint of tenant {tenant}, which signs these tokens, cannot be reached (endpoint-away: for {seconds} s, {why}; try again shortly)"
                ),
            ),
            Failure::Misbehaves(why) => unavailable(
                Rule::EndpointMisbehaves,
                format!(
                    "the endpoint of tenant {tenant} gives no answer that can be used (endpoint-misbehaves: for {seconds} s, {why})"
                ),
            ),
            Failure::NoToken(why) => unavailable(
                Rule::EndpointTokenMissing,
                format!(
                    "the pod has no token to show the endpoint of tenant {tenant} (endpoint-token-missing: {why}; make the pod anew if it was made before the tenant had an endpoint)"
                ),
            ),
            Failure::Refused {
                status,
                error,
                description,
            } => OAuthError::new(status, error, Rule::EndpointRefused, description),
        }
    }
}

/// Whether a token that was kept is good still.
fn check(loaded: &Loaded, granted: &Granted, kept: &Token, now: UnixTime) -> bool {
    let client = loaded.mint.policy().workload();
    let verifier = loaded.verifier();
    verifier
        .check_delivery(&kept.text, granted, client, now)
        .is_ok()
}

/// Nothing that is done under these locks panics half-way, so what a poisoned one holds is whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
