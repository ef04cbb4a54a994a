//! What is kept, as the callers see it.

use std::fmt;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mintage_core::{ClientId, Domain, UnixTime, UserId};

/// SHA-256 of a secret that is a random value of 256 bits: a cookie, a code, a refresh token. The store knows no more of
/// it. A hash without salt or work is enough, since such a value cannot be guessed; and digests may be compared in any
/// time, since who tries values learns nothing about another digest.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of a secret as its holder sends it.
    pub fn of(secret: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref());
        Self(bytes)
    }

    pub(super) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A name that tells nothing of the secret, and does not find the record either: the digest of the digest.
    pub fn name(&self) -> String {
        let twice = digest::digest(&digest::SHA256, &self.0);
        URL_SAFE_NO_PAD.encode(&twice.as_ref()[..16])
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

/// The name of a refresh family: 16 random bytes, part of each of its tokens. Whoever knows it can have the family revoked
/// and can do nothing else, so it is not printed either.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct FamilyId([u8; 16]);

impl FamilyId {
    /// The bytes, as they stand in a token.
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<[u8; 16]> for FamilyId {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for FamilyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FamilyId(…)")
    }
}

/// What a session remembers of its user, as a JSON object: `name`, `email` and the like, for `/userinfo` and ID tokens.
#[derive(Clone, Eq, PartialEq)]
pub struct Profile(String);

/// A profile that is not kept.
#[derive(Debug, thiserror::Error)]
pub enum InvalidProfile {
    /// It is another kind of JSON, or none.
    #[error("a profile must be a JSON object")]
    NotAnObject,
    /// It is too long.
    #[error("a profile of {0} bytes is too long: at most {max} are kept; have the connection send fewer claims", max = Profile::MAX_LEN)]
    TooLong(usize),
}

impl Profile {
    /// The longest profile, in bytes.
    pub const MAX_LEN: usize = 4096;

    /// A JSON object of at most 4 KiB.
    pub fn parse(json: String) -> Result<Self, InvalidProfile> {
        if json.len() > Self::MAX_LEN {
            return Err(InvalidProfile::TooLong(json.len()));
        }
        match serde_json::from_str(&json) {
            Ok(serde_json::Value::Object(_)) => Ok(Self(json)),
            _ => Err(InvalidProfile::NotAnObject),
        }
    }

    /// Of nobody.
    pub fn empty() -> Self {
        Self("{}".to_owned())
    }

    /// The JSON.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // People's names do not belong into logs.
        f.write_str("Profile(…)")
    }
}

/// A browser that somebody is signed in with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Session {
    /// Who is signed in.
    pub user: UserId,
    /// The host whose cookie it is.
    pub domain: Domain,
    /// When the user last showed who they are (`auth_time`).
    pub authenticated_at: UnixTime,
    /// When it began.
    pub created_at: UnixTime,
    /// It ends then if nobody uses it.
    pub idle_until: UnixTime,
    /// It ends then in any case.
    pub ends_at: UnixTime,
    /// What is known of the user.
    pub profile: Profile,
}

impl Session {
    pub(super) fn is_over(&self, now: UnixTime) -> bool {
        self.ends_at <= now || self.idle_until <= now
    }
}

/// A user whom a provider knows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Person {
    /// The provider.
    pub issuer: String,
    /// What it said when they last signed in.
    pub profile: Profile,
    /// Since when the name is theirs: a provider that takes the place of another may have a user of the same name.
    pub known_since: UnixTime,
}

/// An authorization code, on its way from `/authorize` to `/oauth/token`.
#[derive(Clone, Debug)]
pub struct Code {
    /// Who may redeem it.
    pub client: ClientId,
    /// Who signed in for it.
    pub user: UserId,
    /// The refresh family that will come of it, if one does.
    pub family: FamilyId,
    /// When it ends.
    pub expires_at: UnixTime,
    /// What the caller wants back when it is redeemed; JSON of its own.
    pub payload: String,
}

/// The refresh tokens that came of one sign-in, of which one is good at a time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Family {
    /// Its name.
    pub id: FamilyId,
    /// Whose tokens they are.
    pub client: ClientId,
    /// For whom.
    pub user: UserId,
    /// The session that they came of, if they are to end with it.
    pub session: Option<Digest>,
    /// Audience, scopes and whatever else the caller wants back; JSON of its own. It never changes, so no refresh widens it.
    pub payload: String,
    /// When it began.
    pub created_at: UnixTime,
    /// It ends then in any case.
    pub ends_at: UnixTime,
    /// It ends then if nobody uses it.
    pub idle_until: Option<UnixTime>,
    /// When a token last took the place of another.
    pub rotated_at: Option<UnixTime>,
    /// When it was revoked, or found to have ended.
    pub revoked_at: Option<UnixTime>,
}

impl Family {
    pub(super) fn is_over(&self, now: UnixTime) -> bool {
        self.ends_at <= now || self.idle_until.is_some_and(|idle_until| idle_until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_sha_256_of_the_text() {
        // FIPS 180-2, appendix B.1.
        let expected = [0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea];
        assert_eq!(Digest::of("abc").bytes()[..8], expected);
    }

    #[test]
    fn debug_texts_show_no_digest_and_nobodys_name() {
        let profile = Profile::parse(r#"{"name":"Ada"}"#.into()).unwrap();
        let text = format!(
            "{:?} {:?} {profile:?}",
            Digest::from([7; 32]),
            FamilyId::from([7; 16])
        );
        assert_eq!(text, "Digest(…) FamilyId(…) Profile(…)");
    }

    #[test]
    fn a_profile_is_a_small_json_object() {
        let of_length = |length: usize| format!(r#"{{"n":"{}"}}"#, "x".repeat(length - 8));
        assert!(Profile::parse(of_length(4096)).is_ok());
        assert!(matches!(
            Profile::parse(of_length(4097)),
            Err(InvalidProfile::TooLong(4097))
        ));
        for json in ["", "[]", "null", "{", "\"name\""] {
            let parsed = Profile::parse(json.into());
            assert!(matches!(parsed, Err(InvalidProfile::NotAnObject)), "{json}");
        }
    }
}
