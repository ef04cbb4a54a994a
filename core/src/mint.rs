//! Makes tokens: policy and keys together.

use std::collections::BTreeMap;

use crate::bundle::{Body, InvalidKeyringFile, KeyringFile};
use crate::claims::{Content, Jti, header_segment, payload_segment};
use crate::code::Coded as _;
use crate::jose::{PrivateKey, SigningFailed};
use crate::keyring::{Key, State};
use crate::policy::{Granted, Policy, Refusal, Request, Rule};
use crate::world::{AudienceAlg, Dialect, Issuance};
use crate::{Alg, Domain, Kid, UnixTime, WorkloadId};

/// The mint of one workload: what it may ask for and the keys to sign it.
#[derive(Debug)]
pub struct Mint {
    policy: Policy,
    signers: Vec<Signer>,
}

/// A private key that the bundle knows, with what never changes in its tokens.
#[derive(Debug)]
struct Signer {
    issuance: Issuance,
    key: Key,
    private: PrivateKey,
    auth0_header: String,
    rfc9068_header: String,
}

/// A token to be made: granted, and by which key.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Order {
    /// What was granted.
    pub granted: Granted,
    /// The key that signs.
    pub kid: Kid,
    /// `iat`.
    pub issued_at: UnixTime,
}

/// Why there is no order.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoOrder {
    /// No key may sign at this moment. A later try can succeed.
    #[error(
        "no key for {alg} may sign right now (key-unavailable: the namespace's keyring has not arrived, or its next key is not active yet; try again shortly)"
    )]
    KeyUnavailable {
        /// The algorithm.
        alg: Alg,
    },
    /// The audience's tokens are signed by the tenant, which this process cannot do: its endpoint is to be asked, if there is one.
    #[error(
        "tokens for {} are signed by the tenant's endpoint, and this process knows of none (issuance-central: its ApiAudience says issuance: Central; set spec.endpoint.enabled: true in the Tenant)",
        granted.audience
    )]
    Central {
        /// What the endpoint is to be asked for.
        granted: Box<Granted>,
    },
    /// Policy refuses.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl NoOrder {
    /// The rule.
    pub fn rule(&self) -> Rule {
        match self {
            Self::KeyUnavailable { .. } => Rule::KeyUnavailable,
            Self::Central { .. } => Rule::IssuanceCentral,
            Self::Refused(refusal) => refusal.rule(),
        }
    }

    /// The rule's name: stable, for logs and metrics.
    pub fn code(&self) -> &'static str {
        self.rule().code()
    }
}

impl Mint {
    /// Puts the mint together. Keys that the bundle does not list are ignored: validators have not been told of them.
    pub fn new(
        body: &Body,
        workload: WorkloadId,
        domain: Option<&Domain>,
        keyrings: &[KeyringFile],
    ) -> Result<Self, InvalidKeyringFile> {
        let known: BTreeMap<&Kid, (&Key, Issuance)> = body
            .keys
            .iter()
            .filter_map(|trusted| match &trusted.namespace {
                None => Some((trusted.key.kid(), (&trusted.key, Issuance::Central))),
                Some(namespace) if *namespace == body.namespace => {
                    Some((trusted.key.kid(), (&trusted.key, Issuance::Local)))
                }
                Some(_) => None,
            })
            .collect();
        let mut signers = Vec::new();
        for entry in keyrings.iter().flat_map(|file| &file.keys) {
            let Some((key, issuance)) = known.get(&entry.kid) else {
                continue;
            };
            let private = entry.open()?;
            let header = |dialect| header_segment(private.alg(), dialect, private.kid());
            signers.push(Signer {
                issuance: *issuance,
                key: (*key).clone(),
                auth0_header: header(Dialect::Auth0),
                rfc9068_header: header(Dialect::Rfc9068),
                private,
            });
        }
        Ok(Self {
            policy: Policy::new(body, workload, domain),
            signers,
        })
    }

    /// The rules.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Decides a request and picks the key.
    pub fn order(&self, now: UnixTime, request: Request<'_>) -> Result<Order, NoOrder> {
        let granted = self.policy.decide(now, request)?;
        let terms = granted.terms;
        let of_owner = || {
            self.signers
                .iter()
                .filter(|signer| signer.issuance == terms.issuance)
        };
        let AudienceAlg::Asymmetric(alg) = terms.alg else {
            return Err(NoOrder::Central {
                granted: Box::new(granted),
            });
        };
        let signs =
            |signer: &Signer| signer.private.alg() == alg && signer.key.state(now) == State::Active;
        let newest = of_owner()
            .filter(|signer| signs(signer))
            // Generations begin anew with another life of the namespace; the moment does not.
            .max_by_key(|signer| (signer.key.schedule.activate_at(), signer.key.generation));
        match newest {
            Some(signer) => Ok(Order {
                granted,
                kid: signer.private.kid().clone(),
                issued_at: now,
            }),
            None if terms.issuance == Issuance::Central && of_owner().next().is_none() => {
                Err(NoOrder::Central {
                    granted: Box::new(granted),
                })
            }
            None => Err(NoOrder::KeyUnavailable { alg }),
        }
    }

    /// Makes the token. `jti` is used where the dialect has one.
    pub fn sign(&self, order: &Order, jti: Jti) -> Result<String, SigningFailed> {
        // By name and not by place: an order outlives the mint that gave it when the bundle is reloaded.
        let signer = self
            .signers
            .iter()
            .find(|signer| *signer.private.kid() == order.kid)
            .ok_or(SigningFailed)?;
        let granted = &order.granted;
        let header = match granted.terms.dialect {
            Dialect::Auth0 => &signer.auth0_header,
            Dialect::Rfc9068 => &signer.rfc9068_header,
        };
        let content = Content {
            audience: &granted.audience,
            client: self.policy.workload(),
            dialect: granted.terms.dialect,
            issued_at: order.issued_at,
            issuer: &granted.issuer,
            lifetime: granted.terms.lifetime,
            scope: &granted.scope,
        };
        signer
            .private
            .sign_compact(header, &payload_segment(content, jti))
    }
}

impl Order {
    /// Whether two tokens of equal orders are equal to the byte: no `jti`, and an algorithm without randomness. One
    /// signature then serves them all.
    pub fn is_repeatable(&self) -> bool {
        let terms = self.granted.terms;
        let is_deterministic =
            matches!(terms.alg, AudienceAlg::Asymmetric(alg) if alg.is_deterministic());
        !terms.dialect.has_jti() && is_deterministic
    }
}
