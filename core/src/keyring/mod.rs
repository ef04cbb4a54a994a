//! The life of signing keys.
//!
//! ```text
//!             activate_at            sign_until          sign_until + longest lifetime + leeway
//!   published ──► Next ──► Active ──────► Retiring ──────────────► Removed
//!                   └──────────┴──────────────┴───► Revoked
//! ```
//!
//! A key carries the moments at which it changes, so every reader switches by its own clock and no message has to
//! arrive in time: the next key is published at least the propagation delay before it signs, and the old one is kept
//! as long as any token under it can live.

mod step;

use serde::{Deserialize, Serialize};

pub use step::{Complaint, Observed, Policy, Step, next_due, step};

use crate::jose::Jwk;
use crate::{Alg, Kid, LEEWAY, Namespace, Seconds, TenantRef, Uid, UnixTime};

/// Whose keys they are. The texts sort by tenant.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// The tenant.
    pub tenant: TenantRef,
    /// The namespace under the tenant; `None` for the tenant's own keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
}

impl Owner {
    /// The tenant's own keyring.
    pub fn tenant(tenant: TenantRef) -> Self {
        Self {
            tenant,
            namespace: None,
        }
    }

    /// A namespace's issuing keyring under a tenant.
    pub fn namespace(tenant: TenantRef, namespace: Namespace) -> Self {
        Self {
            tenant,
            namespace: Some(namespace),
        }
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            None => write!(f, "tenant {}", self.tenant),
            Some(namespace) => write!(f, "namespace {namespace} under tenant {}", self.tenant),
        }
    }
}

/// When a key signs.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(
    tag = "phase",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Schedule {
    /// Signs from `activate_at` on, with no end in sight.
    Open {
        /// The first second in which it signs.
        activate_at: UnixTime,
    },
    /// Signs between the two moments.
    Closed {
        /// The first second in which it signs.
        activate_at: UnixTime,
        /// The first second in which it no longer signs.
        sign_until: UnixTime,
    },
    /// Signs nothing and verifies nothing.
    Revoked {
        /// When it was revoked.
        revoked_at: UnixTime,
        /// Until when its revocation must be remembered: the end of its last token.
        remember_until: UnixTime,
    },
}

/// What a key is at one moment.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
pub enum State {
    /// It signs.
    Active,
    /// Published, not yet signing.
    Next,
    /// No token under it can be alive.
    Removed,
    /// It only verifies.
    Retiring,
    /// It is refused.
    Revoked,
}

/// The public part of a signing key, and its life.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// The public key.
    pub jwk: Jwk,
    /// 1 for the owner's first key of this algorithm, and so on.
    pub generation: u32,
    /// When it was first published.
    pub published_at: UnixTime,
    /// The longest token life that was in force while it could sign.
    pub longest_lifetime: Seconds,
    /// When it signs.
    pub schedule: Schedule,
    /// When it was to sign at first, if that was put off: issuers that have not heard of it sign from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_activate_at: Option<UnixTime>,
}

impl Key {
    /// The key's name.
    pub fn kid(&self) -> &Kid {
        &self.jwk.kid
    }

    /// The key's algorithm.
    pub fn alg(&self) -> Alg {
        self.jwk.alg
    }

    /// Whether it is the key of this name and algorithm.
    fn is(&self, kid: &Kid, alg: Alg) -> bool {
        self.kid() == kid && self.alg() == alg
    }

    /// What it is at a moment.
    pub fn state(&self, now: UnixTime) -> State {
        self.schedule.state(now, self.longest_lifetime)
    }

    /// Whether its private part must still be at hand: it signs, or will, or a sidecar whose clock is behind may sign.
    pub fn needs_private(&self, now: UnixTime) -> bool {
        match self.schedule {
            Schedule::Open { .. } => true,
            Schedule::Closed { .. } | Schedule::Revoked { .. } => {
                self.private_until().is_some_and(|until| now < until)
            }
        }
    }

    /// When its private part is of no use any more, if that is known.
    pub fn private_until(&self) -> Option<UnixTime> {
        match self.schedule {
            Schedule::Closed { sign_until, .. } => Some(sign_until + LEEWAY),
            Schedule::Open { .. } | Schedule::Revoked { .. } => None,
        }
    }

    /// The first second in which anybody may sign with it, unless it was revoked.
    pub fn believed_from(&self) -> Option<UnixTime> {
        self.first_activate_at
            .or_else(|| self.schedule.activate_at())
    }

    /// Puts off the beginning of the key's signing to `at`.
    fn put_off(&mut self, at: UnixTime) {
        if let Schedule::Open { activate_at } = &mut self.schedule {
            self.first_activate_at.get_or_insert(*activate_at);
            *activate_at = at;
        }
    }

    /// Ends the key's signing at `at`, or leaves an earlier end.
    #[must_use]
    fn close(mut self, at: UnixTime) -> Self {
        if let Schedule::Open { activate_at } = self.schedule {
            self.schedule = Schedule::Closed {
                activate_at,
                sign_until: at,
            };
        }
        self
    }

    /// Lets a key that was to end before `until` sign until then. Validators that have not heard of it, the one with the
    /// fastest clock too, must believe the key up to `until` all the same, else its end stays as it is.
    fn extend(&mut self, until: UnixTime) {
        if let Schedule::Closed { sign_until, .. } = &mut self.schedule {
            let believed = *sign_until + self.longest_lifetime;
            if *sign_until < until && until <= believed {
                *sign_until = until;
            }
        }
    }

    /// Refuses the key from now on. There is no way back.
    #[must_use]
    pub fn revoke(mut self, now: UnixTime) -> Self {
        let last_signature = match self.schedule {
            Schedule::Open { .. } => now,
            Schedule::Closed { sign_until, .. } => sign_until.min(now),
            Schedule::Revoked { .. } => return self,
        };
        let remember_until = last_signature + self.longest_lifetime + LEEWAY;
        self.schedule = Schedule::Revoked {
            revoked_at: now,
            remember_until,
        };
        self
    }
}

impl Schedule {
    /// What a key with this schedule is at a moment; `longest_lifetime` is the longest life of a token under it.
    pub fn state(self, now: UnixTime, longest_lifetime: Seconds) -> State {
        match self {
            Self::Open { activate_at } | Self::Closed { activate_at, .. } if now < activate_at => {
                State::Next
            }
            Self::Open { .. } => State::Active,
            Self::Closed { sign_until, .. } if now < sign_until => State::Active,
            Self::Closed { sign_until, .. } if now <= sign_until + longest_lifetime + LEEWAY => {
                State::Retiring
            }
            Self::Revoked { remember_until, .. } if now <= remember_until => State::Revoked,
            Self::Closed { .. } | Self::Revoked { .. } => State::Removed,
        }
    }

    /// The first second in which it signs, unless it was revoked.
    pub fn activate_at(self) -> Option<UnixTime> {
        match self {
            Self::Open { activate_at } | Self::Closed { activate_at, .. } => Some(activate_at),
            Self::Revoked { .. } => None,
        }
    }

    /// The next moment after `now` at which the state changes by itself.
    fn next_change(self, now: UnixTime, longest_lifetime: Seconds) -> Option<UnixTime> {
        let moments = match self {
            Self::Open { activate_at } => [activate_at, activate_at, activate_at],
            Self::Closed {
                activate_at,
                sign_until,
            } => [
                activate_at,
                // A key that was closed before it signed is Next until it would have.
                sign_until.max(activate_at),
                (sign_until + longest_lifetime + LEEWAY + 1).max(activate_at),
            ],
            Self::Revoked { remember_until, .. } => [remember_until + 1; 3],
        };
        moments.into_iter().filter(|moment| *moment > now).min()
    }
}

/// The keys of one owner. Truth about them lies in the tenant's namespace.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Keyring {
    /// Whose they are.
    pub owner: Owner,
    /// Which life of the tenant they belong to.
    pub tenant_uid: Uid,
    /// Which life of the namespace they belong to; `None` for the tenant's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_uid: Option<Uid>,
    /// The keys, oldest first.
    pub keys: Vec<Key>,
}

impl Keyring {
    /// The key that signs with an algorithm at a moment. Of two (which only a clock set back can show) the newer.
    pub fn active(&self, alg: Alg, now: UnixTime) -> Option<&Key> {
        self.keys
            .iter()
            .rfind(|key| key.alg() == alg && key.state(now) == State::Active)
    }
}
