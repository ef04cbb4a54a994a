//! Labels. Their values are names from the code, so that no resource can make new series.

use prometheus_client::encoding::EncodeLabelSet;

/// The labels of a refusal.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct CodeLabels {
    /// The gRPC code.
    pub code: &'static str,
}

/// The labels of an error.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct ErrorLabels {
    /// What was being done: `load`, `apply`, `status`, …
    pub stage: &'static str,
}

/// The labels of an Event.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct EventLabels {
    /// `sent`, `failed`, `repeated` (the same was sent a short while ago) or `dropped` (too many).
    pub outcome: &'static str,
}

/// The labels of a count of keys.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct KeyLabels {
    /// `next`, `active`, `retiring` or `revoked`.
    pub state: &'static str,
}

/// The labels of a count of objects.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct ObjectLabels {
    /// `ApiAudience`, `Application`, `CustomDomain` or `Tenant`.
    pub kind: &'static str,
    /// `true` or `false`, as the condition `Ready`.
    pub ready: &'static str,
}

/// The labels of a count of pods.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct StaleLabels {
    /// `missing`, `outdated` or `refused`.
    pub reason: &'static str,
}

/// The labels of a write.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct WriteLabels {
    /// What was written: `truth`, `bundle`, `keyring`, `status`, …
    pub object: &'static str,
    /// `done`, or what was wrong: `conflict`, `refused`, `unavailable`, …
    pub outcome: &'static str,
}
