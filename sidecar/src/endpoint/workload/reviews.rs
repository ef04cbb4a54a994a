//! What API servers said of tokens: remembered for a minute, and asked for by so many at once.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use mintage_core::service_account::{self, NotGood};
use mintage_core::{Seconds, UnixTime, WorkloadId};
use moka::sync::Cache;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::NotReviewed;
use super::api_server::ApiServer;
use crate::endpoint::Metrics;
use crate::endpoint::throttle::{Attempt, Throttle};

/// How long the word on a good token is gone by, in seconds: as long as a pod that is gone may go on.
const MEMORY: Seconds = 60;

/// The most words that are remembered.
const MOST: u64 = 16_384;

/// The most that are asked for at once: nobody floods the API server by way of the endpoint.
const AT_ONCE: usize = 16;

/// How long a request waits for its turn.
const TURN: Duration = Duration::from_secs(2);

/// Who counts, and whom.
type Limit<'a> = (&'a Throttle, &'a Attempt);

/// SHA-256 of an audience and a token.
type Digest = [u8; 32];

/// Who a token's workload is, and from when until when that is gone by.
#[derive(Clone, Debug)]
struct Known {
    workload: WorkloadId,
    from: UnixTime,
    until: UnixTime,
}

/// Reviews of tokens.
pub struct Reviews {
    api_server: ApiServer,
    known: Cache<Digest, Known>,
    turns: Semaphore,
    metrics: Arc<Metrics>,
}

impl Reviews {
    /// Reviews by an API server.
    pub fn by(api_server: ApiServer, metrics: Arc<Metrics>) -> Self {
        Self {
            api_server,
            known: Cache::new(MOST),
            turns: Semaphore::new(AT_ONCE),
            metrics,
        }
    }

    /// Whose token it is: of a pod that lives, for this audience. Tokens that are not good are not remembered, and are limited.
    pub(super) async fn review(
        &self,
        token: &str,
        audience: &str,
        now: UnixTime,
        limit: Limit<'_>,
    ) -> Result<WorkloadId, NotReviewed> {
        let reviewed = self.find(token, audience, now, limit).await;
        self.metrics.count_review(match &reviewed {
            Ok((_, outcome)) => outcome,
            Err(NotReviewed::Busy) => "busy",
            Err(NotReviewed::NotGood(_)) => "refused",
            Err(NotReviewed::TooMany(_)) => "throttled",
            Err(NotReviewed::Unavailable) => "unavailable",
        });
        reviewed.map(|(workload, _)| workload)
    }

    async fn find(
        &self,
        token: &str,
        audience: &str,
        now: UnixTime,
        (throttle, attempt): Limit<'_>,
    ) -> Result<(WorkloadId, &'static str), NotReviewed> {
        // What can be seen to be wrong is nothing to ask the API server about.
        let expires_at = service_account::look(token, audience, now)?;
        let name = digest_of(token, audience);
        if let Some(known) = self.remembered(&name, now) {
            return Ok((known, "remembered"));
        }
        let turn = timeout(TURN, self.turns.acquire()).await;
        let _turn = turn.ok().and_then(Result::ok).ok_or(NotReviewed::Busy)?;
        // Another request of the same pod may have been faster.
        if let Some(known) = self.remembered(&name, now) {
            return Ok((known, "remembered"));
        }
        // Not before its turn: a pod that asks for much at once has one review, and the rest is remembered.
        throttle.begin(attempt, now).map_err(NotReviewed::TooMany)?;
        let reviewed = self.api_server.review(token, audience).await;
        let caller = reviewed
            .map_err(|error| {
                tracing::warn!(event = "token-review-failed", error = %error.in_full());
                NotReviewed::Unavailable
            })?
            .caller(audience)?;
        let known = Known {
            workload: caller.workload.clone(),
            from: now,
            until: expires_at.min(now + MEMORY),
        };
        self.known.insert(name, known);
        throttle.succeeded(attempt);
        Ok((caller.workload, "accepted"))
    }

    fn remembered(&self, name: &Digest, now: UnixTime) -> Option<WorkloadId> {
        let known = self.known.get(name)?;
        // A clock that was set back makes nothing last longer.
        (known.from <= now && now < known.until).then_some(known.workload)
    }
}

impl From<NotGood> for NotReviewed {
    fn from(why: NotGood) -> Self {
        Self::NotGood(why)
    }
}

fn digest_of(token: &str, audience: &str) -> Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(audience.as_bytes());
    context.update(b"\n");
    context.update(token.as_bytes());
    let mut name = Digest::default();
    name.copy_from_slice(context.finish().as_ref());
    name
}
