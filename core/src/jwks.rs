//! Key sets as published (RFC 7517 section 5).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::bundle::{Body, TrustedKey};
use crate::jose::Jwk;
use crate::keyring::{Key, Keyring, State};
use crate::{Identifier, UnixTime};

/// A JWK Set.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Jwks {
    /// The keys.
    pub keys: Vec<Jwk>,
}

fn is_published(key: &Key, now: UnixTime) -> bool {
    matches!(
        key.state(now),
        State::Active | State::Next | State::Retiring
    )
}

/// The issuer's public key set: the tenant's own keys, current, next and retiring. Without `allow_non_rsa` only RSA
/// keys: one EC key in the set breaks clients that read RSA alone, auth0-python among them.
pub fn public(keyring: &Keyring, allow_non_rsa: bool, now: UnixTime) -> Jwks {
    let listed = |key: &&Key| is_published(key, now) && (allow_non_rsa || key.alg().is_rsa());
    Jwks {
        keys: keyring
            .keys
            .iter()
            .filter(listed)
            .map(|key| key.jwk.clone())
            .collect(),
    }
}

/// The key set inside a pod that accepts some audiences: the tenant's keys, those of the pod's own namespace, and those
/// of namespaces that were granted one of the audiences. Libraries that read it do not enforce the bounds of namespaces'
/// keys; `/validate` and `/introspect` do.
pub fn in_pod(body: &Body, accepted: &BTreeSet<Identifier>, now: UnixTime) -> Jwks {
    let relevant = |trusted: &&TrustedKey| match &trusted.namespace {
        None => true,
        Some(namespace) => {
            *namespace == body.namespace
                || trusted
                    .bounds
                    .keys()
                    .any(|identifier| accepted.contains(identifier))
        }
    };
    let keys = body
        .keys
        .iter()
        .filter(relevant)
        .map(|trusted| &trusted.key);
    Jwks {
        keys: keys
            .filter(|key| is_published(key, now))
            .map(|key| key.jwk.clone())
            .collect(),
    }
}
