//! What the admin of a tenant publishes to show that a domain is theirs.
//!
//! The value is no secret, and needs not be hard to guess: everybody who may read the object sees it, and everybody sees
//! it where it is published. It proves something by *where* it stands, because only who controls the domain can put it
//! there. What it must do is fit one object only. It is a hash over the domain and the object with its UID, so that a
//! record published for one object shows nothing for another: not for the same domain in another namespace, and not for
//! an object of the same name that is created after this one was deleted.

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mintage_core::{Domain, ObjectRef, Uid};
use mintage_crds::domain::{Challenge, VerificationMethod};
use mintage_crds::{CustomDomain, observe};

/// What is checked: one life of a `CustomDomain`, as its spec is now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Subject {
    /// The object.
    pub at: ObjectRef,
    /// Which life of it.
    pub uid: Uid,
    /// `spec.domain`.
    pub domain: Domain,
    /// `spec.verification.method`.
    pub method: VerificationMethod,
}

/// What the value begins with, so that who finds it in a zone knows what it is for.
const PREFIX: &str = "mintage-domain-verification=";

/// The label under the host at which the TXT record lies: an underscore is in no host name.
const LABEL: &str = "_mintage-challenge";

/// Where the file lies on the host (RFC 8615).
pub(super) const PATH: &str = "/.well-known/mintage-domain-verification";

/// The longest name in the DNS, as text without the last dot.
const LONGEST_NAME: usize = 253;

/// Tells this hash from any other that is ever made of the same parts.
const PURPOSE: &str = "mintage.dev/domain-verification/v1";

/// What to publish for an object. `None` if there is nothing to publish: its method is `None`, or its host leaves no
/// room for a TXT record.
pub fn of(object: &CustomDomain) -> Option<Challenge> {
    Subject::of(object)?.challenge()
}

impl Subject {
    /// Reads an object. `None` if it cannot have passed its schema.
    pub fn of(object: &CustomDomain) -> Option<Self> {
        let read = observe::custom_domain(object, false).ok()?;
        Some(Self {
            at: read.at,
            uid: read.uid,
            domain: read.domain,
            method: object.spec.verification.method,
        })
    }

    /// What to publish, and where. The port of the domain plays no part: a port belongs to whoever runs a program, and
    /// the host to whoever controls the domain.
    pub fn challenge(&self) -> Option<Challenge> {
        let host = self.domain.host();
        let location = match self.method {
            VerificationMethod::DnsTxt => {
                let name = format!("{LABEL}.{host}");
                (name.len() <= LONGEST_NAME).then_some(name)?
            }
            VerificationMethod::HttpWellKnown => format!("http://{host}{PATH}"),
            VerificationMethod::None => return None,
        };
        Some(Challenge {
            location,
            value: self.value(),
        })
    }

    fn value(&self) -> String {
        let mut hash = Context::new(&SHA256);
        let parts = [
            PURPOSE,
            self.domain.as_str(),
            self.uid.as_str(),
            self.at.namespace.as_str(),
            self.at.name.as_str(),
        ];
        for part in parts {
            // Each with its length, so that no two lists of parts are one text.
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(hash.finish()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(domain: &str, uid: &str, at: &str, method: VerificationMethod) -> Subject {
        Subject {
            at: ObjectRef::parse(at).unwrap(),
            uid: Uid::parse(uid).unwrap(),
            domain: Domain::parse(domain).unwrap(),
            method,
        }
    }

    fn dns(domain: &str, uid: &str, at: &str) -> Challenge {
        let subject = subject(domain, uid, at, VerificationMethod::DnsTxt);
        subject.challenge().unwrap()
    }

    #[test]
    fn a_txt_record_below_the_host() {
        let challenge = dns("login.acme.test:8443", "u1", "identity/login");
        assert_eq!(challenge.location, "_mintage-challenge.login.acme.test");
        let hash = challenge.value.strip_prefix(PREFIX).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(hash).unwrap().len(), 32);
        // Who published it once must not have to publish another after an upgrade.
        assert_eq!(
            challenge.value,
            "mintage-domain-verification=RraVijripEnOfb0CgCsimSMC1afQ7wVLG3tzHWZG0qI"
        );
    }

    #[test]
    fn a_file_on_port_80_of_the_host() {
        let http = VerificationMethod::HttpWellKnown;
        let subject = subject("login.acme.test:8443", "u1", "identity/login", http);
        let challenge = subject.challenge().unwrap();
        assert_eq!(
            challenge.location,
            "http://login.acme.test/.well-known/mintage-domain-verification"
        );
        let dns = dns("login.acme.test:8443", "u1", "identity/login");
        assert_eq!(
            challenge.value, dns.value,
            "the method changes the place only"
        );
    }

    #[test]
    fn nothing_to_publish_without_a_proof() {
        let none = subject("acme.test", "u1", "a/b", VerificationMethod::None);
        assert_eq!(none.challenge(), None);
    }

    #[test]
    fn a_value_fits_one_life_of_one_object_and_one_domain() {
        let all = [
            dns("acme.test", "u1", "a/b"),
            dns("acme.test", "u2", "a/b"),
            dns("acme.test", "u1", "c/b"),
            dns("acme.test", "u1", "a/d"),
            dns("acme.test:8443", "u1", "a/b"),
            dns("other.test", "u1", "a/b"),
            // Parts that would be one text if they were only put together.
            dns("acme.test", "u1a", "b/c"),
            dns("acme.test", "u1", "ab/c"),
        ];
        for (index, one) in all.iter().enumerate() {
            for other in &all[index + 1..] {
                assert_ne!(one.value, other.value, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_host_that_leaves_no_room_for_a_txt_record() {
        let label = "a".repeat(58);
        let host = |last: usize| format!("{label}.{label}.{label}.{}", "b".repeat(last));
        let longest = host(LONGEST_NAME - LABEL.len() - 1 - 3 * 59);
        let fits = dns(&longest, "u1", "a/b").location;
        assert_eq!(fits.len(), LONGEST_NAME);
        let host = host(LONGEST_NAME - LABEL.len() - 3 * 59);
        let too_long = subject(&host, "u1", "a/b", VerificationMethod::DnsTxt);
        assert_eq!(too_long.challenge(), None);
        let http = subject(&host, "u1", "a/b", VerificationMethod::HttpWellKnown);
        assert!(http.challenge().is_some());
    }
}
