//! Whether a token is good, and if not why (RFC 8725, RFC 9068 section 4).
//!
//! Two steps: [`Verifier::authenticate`] finds that a key of the tenant signed these claims, which stays true;
//! [`Verifier::judge`] finds whether they are good here and now, which changes with the clock. Only the first may be
//! remembered.

mod authentic;
mod delivery;
mod id_token;
mod judge;
mod rejection;
mod secret;

use std::collections::{BTreeMap, BTreeSet, HashMap};

pub use authentic::{Authentic, Claims};
pub(crate) use authentic::{take_audiences, take_text, take_time};
pub use delivery::Delivery;
pub use id_token::IdClaims;
pub use judge::Verified;
pub use rejection::{OutOfBounds, Rejection, Rule};

use crate::bundle::{AcceptAudience, Body, TrustedKey};
use crate::jose::{InvalidJwk, PublicKey};
use crate::ledger::Term;
use crate::{Domain, Identifier, Issuer, Kid, ObjectName, TenantRef};

/// The verifier of one tenant's tokens in one namespace.
#[derive(Debug)]
pub struct Verifier {
    keys: HashMap<Kid, KnownKey>,
    issuers: HashMap<Issuer, Term>,
    accept: BTreeMap<Identifier, AcceptAudience>,
    domain: Domain,
    tenant: TenantRef,
}

/// A key with its life and its bounds. The cache of parsed keys belongs to one tenant: a `kid` cannot reach another's.
#[derive(Debug)]
struct KnownKey {
    trusted: TrustedKey,
    public: PublicKey,
}

/// Who is asking.
#[derive(Clone, Copy, Debug)]
pub enum Expected<'a> {
    /// An API: the token must be for one of these audiences.
    Apis(&'a BTreeSet<Identifier>),
    /// The Management API, called at this host: the token's issuer must be this host's (row S5).
    Management {
        /// The host that was called.
        host: &'a Domain,
    },
    /// `/userinfo`: the token's audience must have its address on one of the tenant's domains (row S4).
    UserInfo,
}

impl Verifier {
    /// Builds the verifier; a key that cannot be parsed is an error, because leaving it out would refuse good tokens
    /// in silence.
    pub fn new(body: &Body) -> Result<Self, InvalidJwk> {
        let mut keys = HashMap::with_capacity(body.keys.len());
        for trusted in &body.keys {
            let public = PublicKey::from_jwk(&trusted.key.jwk)?;
            keys.insert(
                trusted.key.kid().clone(),
                KnownKey {
                    trusted: trusted.clone(),
                    public,
                },
            );
        }
        let accept = body
            .accept
            .iter()
            .map(|audience| (audience.identifier.clone(), audience.clone()));
        Ok(Self {
            keys,
            issuers: body
                .domains
                .iter()
                .map(|(domain, term)| (domain.issuer(), *term))
                .collect(),
            accept: accept.collect(),
            domain: body.domain.clone(),
            tenant: body.tenant.clone(),
        })
    }
}

/// The audiences that a pod accepts: those its annotation names, or the only one of its namespace.
pub fn accepted(body: &Body, names: &[ObjectName]) -> Result<BTreeSet<Identifier>, NotAccepted> {
    let of_namespace = || {
        body.accept
            .iter()
            .map(|audience| audience.name.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    };
    if names.is_empty() {
        return match body.accept.as_slice() {
            [only] => Ok(BTreeSet::from([only.identifier.clone()])),
            [] => Err(NotAccepted::None {
                namespace: body.namespace.clone(),
            }),
            _ => Err(NotAccepted::Ambiguous {
                namespace: body.namespace.clone(),
                names: of_namespace(),
            }),
        };
    }
    let find = |name: &ObjectName| {
        let found = body.accept.iter().find(|audience| audience.name == *name);
        found
            .map(|audience| audience.identifier.clone())
            .ok_or_else(|| NotAccepted::Unknown {
                name: name.clone(),
                namespace: body.namespace.clone(),
                names: of_namespace(),
            })
    };
    names.iter().map(find).collect()
}

/// The pod accepts no audience, so it can validate nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotAccepted {
    /// Several could be meant.
    #[error(
        "namespace {namespace} has several ApiAudiences ({names}); say in the pod's annotation mintage.dev/accept-audiences (in dev: --accept) which of them it accepts"
    )]
    Ambiguous {
        /// The pod's namespace.
        namespace: crate::Namespace,
        /// Their names.
        names: String,
    },
    /// There is none.
    #[error(
        "namespace {namespace} has no ApiAudience that is served, so there is no token this pod could accept"
    )]
    None {
        /// The pod's namespace.
        namespace: crate::Namespace,
    },
    /// The annotation names one that is not there.
    #[error(
        "namespace {namespace} has no served ApiAudience {name}, which mintage.dev/accept-audiences (in dev: --accept) names; there are: {names}"
    )]
    Unknown {
        /// As named.
        name: ObjectName,
        /// The pod's namespace.
        namespace: crate::Namespace,
        /// Those that exist.
        names: String,
    },
}
