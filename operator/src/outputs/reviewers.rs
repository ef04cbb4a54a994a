//! The tokens by which endpoints ask the API server whose token a workload shows: of one `ServiceAccount`, which may do that
//! and nothing else.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::api::core::v1::Secret;
use mintage_core::{Namespace, ObjectName, TenantRef, UnixTime};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::api::{Failure, Writer};

/// The files of a `ServiceAccount`, as kubelet names them.
pub const TOKEN: &str = "token";
pub const AUTHORITIES: &str = "ca.crt";

/// How long a token lives, in seconds; it is renewed at half of that, so an operator may be away for hours.
const LIFE: i64 = 24 * 3600;

/// When it is tried again, in seconds, if there was none.
const AGAIN: i64 = 60;

/// So many of those that are found are renewed each second.
const EACH_SECOND: usize = 32;

/// Whose tokens they are, and what the API server is known by.
#[derive(Clone, Debug)]
pub struct Reviewer {
    /// The namespace of the `ServiceAccount`.
    pub namespace: Namespace,
    /// Its name.
    pub name: ObjectName,
    /// The authorities that sign the API server's certificate, in PEM.
    pub authorities: String,
}

/// The tokens at hand.
#[derive(Default)]
pub struct Reviewers {
    of: Option<Reviewer>,
    given: BTreeMap<TenantRef, Given>,
}

struct Given {
    /// `None` if it could not be had.
    token: Option<Zeroizing<String>>,
    renew_at: UnixTime,
    /// Why there is none, or no newer one.
    trouble: Option<String>,
}

impl Reviewers {
    /// None are given without a `ServiceAccount`.
    pub fn new(of: Option<Reviewer>) -> Self {
        Self {
            of,
            given: BTreeMap::new(),
        }
    }

    /// Takes up what a Secret holds. One that cannot be read is as good as none, and any other is renewed soon: it may be of a life
    /// of the `ServiceAccount` that has ended, which its holder has no way to mend.
    pub fn take_up(&mut self, tenant: &TenantRef, secret: &Secret, now: UnixTime) {
        let data = secret.data.as_ref().and_then(|data| data.get(TOKEN));
        let text = data.and_then(|bytes| str::from_utf8(&bytes.0).ok());
        if let Some((text, half)) = text.and_then(|text| Some((text, half_life(text)?))) {
            let turn = self.given.len() / EACH_SECOND;
            let soon = UnixTime(now.0.saturating_add(i64::try_from(turn).unwrap_or(0)));
            let given = Given {
                token: Some(Zeroizing::new(text.to_owned())),
                renew_at: half.min(soon),
                trouble: None,
            };
            self.given.insert(tenant.clone(), given);
        }
    }

    /// What the endpoint of a tenant is given: file names and contents.
    pub fn files(&self, tenant: &TenantRef) -> Option<Vec<(&'static str, Vec<u8>)>> {
        let authorities = self.of.as_ref()?.authorities.as_bytes().to_vec();
        let token = self.given.get(tenant)?.token.as_ref()?.as_bytes().to_vec();
        Some(vec![(TOKEN, token), (AUTHORITIES, authorities)])
    }

    /// Whether a tenant's is to be had, or had anew.
    pub fn is_due(&self, tenant: &TenantRef, now: UnixTime) -> bool {
        let given = self.given.get(tenant);
        self.of.is_some() && given.is_none_or(|given| given.renew_at <= now)
    }

    /// When the next one is, after a moment.
    pub fn due_after(&self, now: UnixTime) -> Option<UnixTime> {
        let all = self.given.values().map(|given| given.renew_at);
        all.filter(|renew_at| *renew_at > now).min()
    }

    /// Forgets that of a tenant without endpoint.
    pub fn forget(&mut self, tenant: &TenantRef) {
        self.given.remove(tenant);
    }

    /// Whose they are.
    pub fn account(&self) -> Option<String> {
        let of = self.of.as_ref()?;
        Some(format!("{}/{}", of.namespace, of.name))
    }

    /// Asks the API server for one; what it says if there is none.
    pub async fn ask(&self, writer: &Writer) -> Option<Result<Zeroizing<String>, Failure>> {
        let Reviewer {
            namespace, name, ..
        } = self.of.as_ref()?;
        let asked = writer.token(namespace.as_str(), name.as_str(), LIFE).await;
        Some(asked.map(Zeroizing::new))
    }

    /// Takes up what came of asking: a token, or what is to be said of there being none. A token that is at hand is kept if
    /// there is no other.
    pub fn take(
        &mut self,
        tenant: &TenantRef,
        asked: Result<Zeroizing<String>, String>,
        now: UnixTime,
    ) {
        let before = self.given.remove(tenant).and_then(|given| given.token);
        let (token, trouble) = match asked {
            Ok(token) => (Some(token), None),
            Err(trouble) => (None, Some(trouble)),
        };
        let renew_at = token.as_ref().and_then(|token| half_life(token));
        let given = Given {
            token: token.or(before),
            renew_at: renew_at.unwrap_or(UnixTime(now.0 + AGAIN)),
            trouble,
        };
        self.given.insert(tenant.clone(), given);
    }

    /// What is to be said of the tenants whose endpoints have none, or only an old one.
    pub fn complaints(&self) -> impl Iterator<Item = (&TenantRef, &String)> {
        let given = self.given.iter();
        given.filter_map(|(tenant, given)| Some((tenant, given.trouble.as_ref()?)))
    }
}

/// When half of a token's life is over, by what it says itself: it came from the API server.
fn half_life(token: &str) -> Option<UnixTime> {
    #[derive(Deserialize)]
    struct Times {
        exp: i64,
        iat: i64,
    }
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let Times { exp, iat } = serde_json::from_slice(&payload).ok()?;
    Some(UnixTime(iat + exp.checked_sub(iat)? / 2))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    fn token(iat: i64, exp: i64) -> String {
        let payload = format!("{{\"iat\":{iat},\"exp\":{exp}}}");
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    fn tenant() -> TenantRef {
        TenantRef::parse("identity/acme").unwrap()
    }

    fn reviewers() -> Reviewers {
        Reviewers::new(Some(Reviewer {
            namespace: Namespace::parse("mintage-system").unwrap(),
            name: ObjectName::parse("mintage-endpoints").unwrap(),
            authorities: "PEM".to_owned(),
        }))
    }

    #[test]
    fn a_token_is_renewed_at_half_of_its_life_and_kept_if_it_cannot_be() {
        let mut reviewers = reviewers();
        assert!(reviewers.is_due(&tenant(), UnixTime(0)));
        let first = Zeroizing::new(token(0, 1000));
        reviewers.take(&tenant(), Ok(first.clone()), UnixTime(0));
        assert!(!reviewers.is_due(&tenant(), UnixTime(499)));
        assert_eq!(reviewers.due_after(UnixTime(0)), Some(UnixTime(500)));
        // That of a tenant that is held has no time of its own: the others' have, and a loop has nothing to spin on.
        assert_eq!(reviewers.due_after(UnixTime(500)), None);
        reviewers.take(&tenant(), Err("no account".to_owned()), UnixTime(500));
        let complaints: Vec<_> = reviewers.complaints().collect();
        assert_eq!(complaints, [(&tenant(), &"no account".to_owned())]);
        assert!(!reviewers.is_due(&tenant(), UnixTime(500)));
        assert!(reviewers.is_due(&tenant(), UnixTime(500 + AGAIN)));
        let files = reviewers.files(&tenant()).unwrap();
        assert_eq!(files[0], (TOKEN, first.as_bytes().to_vec()));
        let second = Zeroizing::new(token(600, 1600));
        reviewers.take(&tenant(), Ok(second), UnixTime(600));
        assert_eq!(reviewers.complaints().count(), 0);
    }

    fn secret(text: &str) -> Secret {
        let data = BTreeMap::from([(TOKEN.to_owned(), ByteString(text.as_bytes().to_vec()))]);
        Secret {
            data: Some(data),
            ..Secret::default()
        }
    }

    #[test]
    fn what_is_stored_is_taken_up_and_what_is_damaged_is_none() {
        for (text, is_taken_up) in [(token(0, 1000).as_str(), true), ("hunter2", false)] {
            let mut reviewers = reviewers();
            reviewers.take_up(&tenant(), &secret(text), UnixTime(10));
            assert_eq!(reviewers.files(&tenant()).is_some(), is_taken_up);
        }
    }

    /// Helm may have made the account anew, and the API server refuses what was given for the one before.
    #[test]
    fn what_is_found_is_renewed_soon_and_not_all_at_once() {
        let mut reviewers = reviewers();
        let tenants = (0..100).map(|number| TenantRef::parse(&format!("identity/t{number}")));
        let tenants: Vec<TenantRef> = tenants.map(Result::unwrap).collect();
        for tenant in &tenants {
            reviewers.take_up(tenant, &secret(&token(0, 1000)), UnixTime(100));
        }
        let due = |now| {
            let due = tenants.iter();
            let due = due.filter(|tenant| reviewers.is_due(tenant, UnixTime(now)));
            due.count()
        };
        assert_eq!([due(100), due(101), due(103)], [32, 64, 100]);
        assert_eq!(reviewers.due_after(UnixTime(100)), Some(UnixTime(101)));
        let old = reviewers.files(&tenants[0]);
        reviewers.take(&tenants[0], Err("away".to_owned()), UnixTime(100));
        assert_eq!(reviewers.files(&tenants[0]), old);
    }

    #[test]
    fn without_an_account_nobody_is_given_any() {
        let reviewers = Reviewers::default();
        assert!(!reviewers.is_due(&tenant(), UnixTime(0)));
        assert!(reviewers.files(&tenant()).is_none());
    }
}
