//! Who a user is now: as the Secret of their connection has it, or as their provider last said.

use axum::http::StatusCode;
use mintage_core::endpoint::{Profile, Unread};
use mintage_core::{UnixTime, UserId};

use super::visit::Visit;
use super::{Endpoint, store};
use crate::oauth::OAuthError;
use crate::rule::Rule;

/// A user who may still be acted for.
#[derive(Clone, Debug)]
pub struct Person {
    /// What is known of them.
    pub profile: Profile,
    /// Since when the name is theirs, if somebody else may have had it, or since when they are signed out everywhere.
    since: Option<UnixTime>,
}

impl Person {
    /// Whether something that was given then was given to them.
    pub fn had_by(&self, given: UnixTime) -> bool {
        self.since.is_none_or(|since| since <= given)
    }
}

/// It is not known now whether there is such a user.
#[derive(Debug, thiserror::Error)]
pub enum Unknown {
    /// The store of those that a provider knows cannot be asked.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Their entry in the Secret of their connection, or all of that, cannot be read.
    #[error(transparent)]
    Unread(#[from] Unread),
}

impl From<Unread> for OAuthError {
    fn from(_: Unread) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            Rule::UserUnread,
            "the Secret with the user cannot be read (user-unread: nothing was given out or taken away; try again)",
        )
    }
}

impl From<Unknown> for OAuthError {
    fn from(unknown: Unknown) -> Self {
        match unknown {
            Unknown::Store(error) => error.into(),
            Unknown::Unread(error) => error.into(),
        }
    }
}

/// The user of a name, unless they are blocked or gone, or their connection is: with its provider, if it has one.
pub async fn find(
    endpoint: &Endpoint,
    visit: &Visit,
    id: &UserId,
) -> Result<Option<Person>, Unknown> {
    let realm = &visit.realm;
    if let Some(user) = realm.user(id)? {
        let profile = user.profile.clone();
        return Ok((!user.blocked).then_some(Person {
            profile,
            since: user.signed_out_before,
        }));
    }
    let Some(issuer) = realm.issuer_of(id.connection()) else {
        return Ok(None);
    };
    let found = endpoint
        .store
        .find_person(&realm.config.tenant_uid, id)
        .await?;
    let found = found.filter(|person| person.issuer == issuer);
    let person = found.map(|person| {
        Ok(Person {
            profile: serde_json::from_str(person.profile.as_str())
                .map_err(store::Error::damaged)?,
            since: Some(person.known_since),
        })
    });
    person.transpose()
}
