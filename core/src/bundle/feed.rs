use serde::{Deserialize, Serialize};

/// Where the operator tells sidecars at once what their mounts bring about a minute later.
///
/// Only public things travel there: a bundle as in the Secrets, never a private key. Without it everything works from the
/// mounts.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Feed {
    /// `host:port`.
    pub address: String,
    /// The certificates of the authorities that sign the operator's, in PEM.
    pub authorities: String,
}
