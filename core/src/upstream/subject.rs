use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;

use super::Fault;
use crate::jose::BASE64URL;
use crate::{ObjectName, UserId};

/// What stands before the hash of a name that cannot stand there itself.
const HASHED: &str = "sha256:";

/// The user of a connection whom its provider calls `subject`: `<connection>|<subject>`, or `<connection>|sha256:<hash>` for one
/// that is too long, has a blank, quote or backslash, or looks like such a hash. So no two names become one.
///
/// A name is at most 255 ASCII characters (OpenID Connect Core section 2) and none of them a control character; others are
/// refused, because what looks alike is not the same in Unicode.
pub fn user_id(connection: &ObjectName, subject: &str) -> Result<UserId, Fault> {
    let sound = (1..=255).contains(&subject.len())
        && subject.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    if !sound {
        return Err(Fault::Subject);
    }
    let verbatim = UserId::parse(&format!("{connection}|{subject}"));
    if let Ok(user) = verbatim
        && !subject.starts_with(HASHED)
    {
        return Ok(user);
    }
    let hash = BASE64URL.encode(digest(&SHA256, subject.as_bytes()));
    UserId::parse(&format!("{connection}|{HASHED}{hash}")).map_err(|_| Fault::Subject)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn of(subject: &str) -> Result<String, Fault> {
        let connection = ObjectName::parse("corp").unwrap();
        user_id(&connection, subject).map(|user| user.to_string())
    }

    #[test]
    fn a_plain_name_stays_as_it_is() {
        for subject in ["1", "auth0|5f7c", "a@b.example", "x|", "||", "A:b/c=?"] {
            assert_eq!(of(subject), Ok(format!("corp|{subject}")));
        }
    }

    #[test]
    fn other_names_are_hashed_and_no_two_meet() {
        let hashed = of("CN=Ada Lovelace,OU=staff").unwrap();
        assert_eq!(hashed.len(), "corp|sha256:".len() + 43, "{hashed}");
        // Who may choose their own name at a provider becomes nobody else.
        let as_name = of(&hashed["corp|".len()..]).unwrap();
        assert_ne!(as_name, hashed);
        let long = "a".repeat(255);
        let names = [
            "a b",
            "a  b",
            " a b",
            "a\"b",
            "a\\b",
            "sha256:",
            &long,
            &long[1..],
            "ab",
        ];
        let all: BTreeSet<_> = names.map(|name| of(name).unwrap()).into();
        assert_eq!(all.len(), names.len());
        assert!(all.iter().all(|user| user.starts_with("corp|")));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for subject in ["", "a\nb", "a\0", "a\u{7f}", "ädä", "а", &"a".repeat(256)] {
            assert_eq!(of(subject), Err(Fault::Subject), "{subject:?}");
        }
    }
}
