//! Labels. Their values are names from the code, so that no client can make new series.

use prometheus_client::encoding::EncodeLabelSet;

/// The labels of a token request.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct TokenLabels {
    /// The rule that refused, or `issued`, `reused`, `kept`.
    pub outcome: &'static str,
}

/// The labels of a request to the tenant's endpoint.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct CentralLabels {
    /// `given`, `refused`, `away`, `misbehaves` or `no-token`.
    pub outcome: &'static str,
}

/// The labels of a token that was handed out.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct IssuedLabels {
    /// `RS256`, …
    pub alg: &'static str,
    /// `Auth0` or `RFC9068`.
    pub dialect: &'static str,
    /// `signed`, `shared` (with an equal request), `reused` (`Mintage-Cache: allow`), `central` (by the tenant's endpoint) or
    /// `kept` (the last of these, while the endpoint is away).
    pub source: &'static str,
}

/// The labels of a check.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct CheckLabels {
    /// `validate` or `introspect`.
    pub route: &'static str,
    /// The reason of the refusal, or `accepted`.
    pub outcome: &'static str,
}

/// The labels of a request.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct RequestLabels {
    /// The path, or `other`.
    pub route: &'static str,
    /// The HTTP status.
    pub status: u16,
}

/// The labels of how long requests took.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct RouteLabels {
    /// The path, or `other`.
    pub route: &'static str,
}

/// The labels of a signature.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct AlgLabels {
    /// `RS256`, …
    pub alg: &'static str,
}

/// The labels of a reload.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct ReloadLabels {
    /// `loaded` or `refused`.
    pub outcome: &'static str,
}

/// The labels of a count of keys.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct KeyLabels {
    /// `own` (the pod's namespace), `tenant`, or `others` (namespaces that call the pod).
    pub owner: &'static str,
    /// `next`, `active`, `retiring`, `removed` or `revoked`.
    pub state: &'static str,
}
