//! Workloads at the token endpoint: a pod shows its `ServiceAccount` token as a client assertion (RFC 7521 section 4.2, RFC 7523
//! section 2.2), and the cluster's API server says whose it is.
//!
//! ```text
//!  client_assertion ─► what can be seen of it ─► Reviews (a minute's memory, so many at once) ─► API server ─► Config::workload_grant
//! ```

mod api_server;
mod reviews;

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::response::Response;
use mintage_core::WorkloadId;
use mintage_core::mint::NoOrder;
use mintage_core::policy;
use mintage_core::service_account::NotGood;
use mintage_core::world::GrantType;

pub use api_server::{ApiServer, NoApiServer};
pub use reviews::Reviews;

use super::throttle::Attempt;
use super::visit::Visit;
use super::{Endpoint, credentials};
use crate::oauth::{ASSERTION_TYPE, OAuthError};
use crate::params::Params;
use crate::rule::Rule;

/// A refusal, and whom it is for as far as that was shown.
type Refused = (OAuthError, Option<WorkloadId>);

/// Why there is no word on a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotReviewed {
    /// Too many are asked about at once.
    Busy,
    /// Too many of this address were asked about and not good: how long to wait.
    TooMany(Duration),
    /// The token is not good.
    NotGood(NotGood),
    /// The API server gives no answer that can be used.
    Unavailable,
}

/// Whether a request shows an assertion.
pub fn is_shown(params: &Params) -> bool {
    ["client_assertion", "client_assertion_type"]
        .iter()
        .any(|name| params.get(name).is_some())
}

/// Gives a token to the workload whose `ServiceAccount` token is shown.
pub async fn give(
    endpoint: &Endpoint,
    visit: &Visit,
    params: &Params,
) -> Result<Response, Refused> {
    let by_nobody = |error| (error, None);
    let token = assertion(visit, params).map_err(by_nobody)?;
    let reviews = endpoint.reviews.as_ref();
    let reviews = reviews.ok_or_else(|| by_nobody(not_taken()))?;
    let issuer = visit.issuer();
    let attempt = Attempt::with_assertion(visit.address);
    let limit = (&*endpoint.throttle, &attempt);
    let reviewed = reviews.review(token, issuer.as_str(), visit.now, limit);
    let reviewed = reviewed.await;
    let workload = reviewed.map_err(|why| by_nobody(not_reviewed(why, issuer.as_str())))?;
    match issue(visit, &workload, params) {
        Ok(response) => Ok(response),
        Err(error) => Err((error, Some(workload))),
    }
}

/// The assertion of a request that shows nothing else.
fn assertion<'a>(visit: &Visit, params: &'a Params) -> Result<&'a str, OAuthError> {
    if visit.headers.contains_key(AUTHORIZATION) || params.get("client_secret").is_some() {
        return Err(OAuthError::invalid_request(
            Rule::ClientTwice,
            "the client shows who it is by an assertion and by a secret or header; do one of them (client-twice)",
        ));
    }
    if params.get("client_assertion_type") != Some(ASSERTION_TYPE) {
        return Err(OAuthError::invalid_request(
            Rule::AssertionNotTaken,
            format!(
                "an assertion of this type is not taken (assertion-not-taken: send client_assertion_type={ASSERTION_TYPE} with it)"
            ),
        ));
    }
    params.get("client_assertion").ok_or_else(|| {
        OAuthError::invalid_request(
            Rule::AssertionInvalid,
            "Missing required parameter: client_assertion (assertion-invalid: send the ServiceAccount token of the pod)",
        )
    })
}

fn issue(visit: &Visit, workload: &WorkloadId, params: &Params) -> Result<Response, OAuthError> {
    let own = workload.to_string();
    if params.get("client_id").is_some_and(|client| client != own) {
        return Err(OAuthError::new(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            Rule::ClientNotOwn,
            format!(
                "Unauthorized (client-not-own: the assertion is of {own}; leave client_id out, or send this one)"
            ),
        ));
    }
    match params.get("grant_type") {
        Some(grant) if grant == GrantType::ClientCredentials.as_str() => {}
        None => {
            return Err(OAuthError::invalid_request(
                Rule::GrantTypeMissing,
                "Missing required parameter: grant_type",
            ));
        }
        Some(other) => {
            return Err(OAuthError::new(
                StatusCode::FORBIDDEN,
                "unauthorized_client",
                Rule::GrantTypeOfOthers,
                format!(
                    "Grant type '{other}' not allowed for the client. (grant-type-of-others: a workload uses client_credentials)"
                ),
            ));
        }
    }
    let request = policy::Request {
        audience: params.audience()?,
        scope: params.get("scope"),
    };
    let config = &visit.realm.config;
    let decided = config.workload_grant(visit.now, workload, &visit.domain, request);
    let (api, granted) = decided.map_err(NoOrder::from)?;
    credentials::workload_token(visit, workload, api, granted)
}

fn not_taken() -> OAuthError {
    OAuthError::invalid_request(
        Rule::AssertionNotTaken,
        "this endpoint takes no ServiceAccount tokens (assertion-not-taken: it was started without --token-reviews)",
    )
}

fn not_reviewed(why: NotReviewed, issuer: &str) -> OAuthError {
    let unreviewed = |text| {
        OAuthError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            Rule::AssertionUnreviewed,
            text,
        )
    };
    match why {
        NotReviewed::Busy => unreviewed(
            "too many ServiceAccount tokens are being reviewed (assertion-unreviewed: try again shortly)",
        ),
        NotReviewed::TooMany(wait) => OAuthError::too_many(
            wait,
            "too many ServiceAccount tokens from this address were not good (too-many-requests: see Retry-After, and mend what sends them)",
        ),
        NotReviewed::Unavailable => unreviewed(
            "the API server of the cluster cannot review the ServiceAccount token now (assertion-unreviewed: see token-review-failed in the endpoint's log; try again shortly)",
        ),
        NotReviewed::NotGood(why) => OAuthError::new(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            Rule::AssertionInvalid,
            format!(
                "Unauthorized: {why} (assertion-invalid: send a ServiceAccount token of a running pod whose audience is {issuer})"
            ),
        ),
    }
}
