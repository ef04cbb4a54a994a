//! Who a user is now: as the Secret of their connection has it, or as their provider last said.

use mintage_core::endpoint::Profile;
use mintage_core::{UnixTime, UserId};

use super::visit::Visit;
use super::{Endpoint, store};

/// A user who may still be acted for.
#[derive(Clone, Debug)]
pub struct Person {
    /// What is known of them.
    pub profile: Profile,
    /// Since when the name is theirs, if somebody else may have had it.
    since: Option<UnixTime>,
}

impl Person {
    /// Whether something that was given then was given to them.
    pub fn had_by(&self, given: UnixTime) -> bool {
        self.since.is_none_or(|since| since <= given)
    }
}

/// The user of a name, unless they are blocked or gone, or their connection is: with its provider, if it has one.
pub async fn find(
    endpoint: &Endpoint,
    visit: &Visit,
    id: &UserId,
) -> Result<Option<Person>, store::Error> {
    let realm = &visit.realm;
    if let Some(user) = realm.user(id) {
        let profile = user.profile.clone();
        return Ok((!user.blocked).then_some(Person {
            profile,
            since: None,
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
