//! What is counted at the endpoint. `docs/observability.md` lists it for those who read it. Label values are names from the
//! code: no client, user, API or tenant can make a new series.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::store::{Error, Swept};

/// What came of something.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Outcome {
    outcome: &'static str,
}

/// A kind of something.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Kind {
    kind: &'static str,
}

/// A rule that refuses.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Rule {
    rule: &'static str,
}

/// What tokens are given for, and what they look like from outside.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Token {
    grant: &'static str,
    format: &'static str,
}

/// A path, as the router has it.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Route {
    route: &'static str,
}

/// A path, and how its requests were answered.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Request {
    route: &'static str,
    status: u16,
}

/// A function of the store.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Call {
    call: &'static str,
}

/// A function of the store, and how it failed.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Failed {
    call: &'static str,
    kind: &'static str,
}

type Durations<L> = Family<L, Histogram, fn() -> Histogram>;

/// From 64 microseconds to 8 seconds, which is the longest that anything waits for the store.
fn durations() -> Histogram {
    Histogram::new(exponential_buckets(0.000_064, 2.0, 18))
}

/// Everything that is counted, in no registry yet.
pub struct Metrics {
    client_secrets: Family<Kind, Counter>,
    codes: Counter,
    consents: Family<Outcome, Counter>,
    refresh_tokens_revoked: Counter,
    refusals: Family<Rule, Counter>,
    request_durations: Durations<Route>,
    requests: Family<Request, Counter>,
    reuses: Family<Kind, Counter>,
    sign_ins: Family<Outcome, Counter>,
    sign_outs: Counter,
    store_calls: Durations<Call>,
    store_errors: Family<Failed, Counter>,
    swept: Family<Kind, Counter>,
    token_reviews: Family<Outcome, Counter>,
    tokens: Family<Token, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            client_secrets: Family::default(),
            codes: Counter::default(),
            consents: Family::default(),
            refresh_tokens_revoked: Counter::default(),
            refusals: Family::default(),
            request_durations: Family::new_with_constructor(durations),
            requests: Family::default(),
            reuses: Family::default(),
            sign_ins: Family::default(),
            sign_outs: Counter::default(),
            store_calls: Family::new_with_constructor(durations),
            store_errors: Family::default(),
            swept: Family::default(),
            token_reviews: Family::default(),
            tokens: Family::default(),
        }
    }
}

impl Metrics {
    /// Puts all of it into a registry without a prefix.
    pub fn register(&self, registry: &mut Registry) {
        let of = registry.sub_registry_with_prefix("mintage_endpoint");
        of.register(
            "client_secrets",
            "Applications that showed who they are by a secret, by which of theirs it was",
            self.client_secrets.clone(),
        );
        of.register(
            "codes_issued",
            "Authorization codes that were given",
            self.codes.clone(),
        );
        of.register(
            "consents",
            "Decisions of users on what an application may do, by outcome",
            self.consents.clone(),
        );
        of.register(
            "refresh_tokens_revoked",
            "Families of refresh tokens that an application or a rule revoked",
            self.refresh_tokens_revoked.clone(),
        );
        of.register(
            "refusals",
            "Requests that were refused, by rule",
            self.refusals.clone(),
        );
        of.register_with_unit(
            "request_duration",
            "From a request's headers to its answer",
            Unit::Seconds,
            self.request_durations.clone(),
        );
        of.register(
            "requests",
            "Requests, by route and status",
            self.requests.clone(),
        );
        of.register(
            "reuses",
            "Codes and refresh tokens that came again, by kind",
            self.reuses.clone(),
        );
        of.register(
            "sign_ins",
            "Attempts to sign in, by outcome",
            self.sign_ins.clone(),
        );
        of.register(
            "sign_outs",
            "Sessions that their user ended",
            self.sign_outs.clone(),
        );
        of.register(
            "token_reviews",
            "Tokens of workloads, by what the API server or the memory of its word said",
            self.token_reviews.clone(),
        );
        of.register(
            "tokens_issued",
            "Access tokens that were handed out, by grant and format",
            self.tokens.clone(),
        );
        let of = registry.sub_registry_with_prefix("mintage_store");
        of.register_with_unit(
            "call_duration",
            "How long calls of the store took, by call",
            Unit::Seconds,
            self.store_calls.clone(),
        );
        of.register(
            "errors",
            "Calls of the store that failed, by call and kind",
            self.store_errors.clone(),
        );
        of.register(
            "swept",
            "What had ended and was taken out of the store, by kind",
            self.swept.clone(),
        );
    }

    pub(super) fn count_secret(&self, kind: &'static str) {
        self.client_secrets.get_or_create(&Kind { kind }).inc();
    }

    pub(super) fn count_code(&self) {
        self.codes.inc();
    }

    pub(super) fn count_consent(&self, outcome: &'static str) {
        self.consents.get_or_create(&Outcome { outcome }).inc();
    }

    pub(super) fn count_revocations(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.refresh_tokens_revoked.inc_by(count);
    }

    pub(super) fn count_refusal(&self, rule: &'static str) {
        self.refusals.get_or_create(&Rule { rule }).inc();
    }

    pub(super) fn count_request(&self, route: &'static str, status: u16, took: Duration) {
        self.requests
            .get_or_create(&Request { route, status })
            .inc();
        self.request_durations
            .get_or_create(&Route { route })
            .observe(took.as_secs_f64());
    }

    pub(super) fn count_reuse(&self, kind: &'static str) {
        self.reuses.get_or_create(&Kind { kind }).inc();
    }

    pub(super) fn count_sign_in(&self, outcome: &'static str) {
        self.sign_ins.get_or_create(&Outcome { outcome }).inc();
    }

    pub(super) fn count_sign_out(&self) {
        self.sign_outs.inc();
    }

    pub(super) fn count_review(&self, outcome: &'static str) {
        self.token_reviews.get_or_create(&Outcome { outcome }).inc();
    }

    pub(super) fn count_token(&self, grant: &'static str, format: &'static str) {
        self.tokens.get_or_create(&Token { grant, format }).inc();
    }

    /// Counts a call of the store, how long it took, and how it failed if it did.
    pub(super) fn count_call(&self, call: &'static str, took: Duration, error: Option<&Error>) {
        self.store_calls
            .get_or_create(&Call { call })
            .observe(took.as_secs_f64());
        if let Some(error) = error {
            let kind = error.kind();
            self.store_errors
                .get_or_create(&Failed { call, kind })
                .inc();
        }
    }

    pub(super) fn count_swept(&self, swept: Swept) {
        for (kind, count) in [
            ("code", swept.codes),
            ("consent", swept.consents),
            ("family", swept.families),
            ("session", swept.sessions),
            ("person", swept.people),
            ("used", swept.used),
        ] {
            let counter = self.swept.get_or_create(&Kind { kind });
            counter.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
        }
    }
}
