use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{self, digest};
use base64::Engine as _;
use serde_json::{Map, Value};

use super::{Fault, Keys, LEEWAY, Metadata, profile};
use crate::endpoint::Profile;
use crate::jose::{BASE64URL, Compact};
use crate::verify::{take_audiences, take_text, take_time};
use crate::{Alg, UnixTime};

/// The longest ID token that is read, in bytes: it may list all groups of a user.
const MAX_LEN: usize = 32 * 1024;

/// What an ID token has to answer.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    /// The tenant's `client_id` at the provider.
    pub client: &'a str,
    /// The `nonce` that was sent.
    pub nonce: &'a str,
    /// The code that it was given for.
    pub code: &'a str,
    /// The access token that came with it.
    pub access_token: Option<&'a str>,
    /// The user has to have signed in since then, if anybody asks.
    pub since: Option<UnixTime>,
}

/// Who signed in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// The provider's own name of the user.
    pub subject: String,
    /// When they signed in there, if it says so; never later than now.
    pub authenticated_at: Option<UnixTime>,
    /// What it says of them.
    pub profile: Profile,
}

impl Keys {
    /// Whom an ID token speaks of (OpenID Connect Core section 3.1.3.7). It is believed although it came straight from the
    /// provider only once its signature is checked: a proxy in between may not be the provider.
    pub fn identify(
        &self,
        metadata: &Metadata,
        token: &str,
        expected: Expected<'_>,
        now: UnixTime,
    ) -> Result<Identity, Fault> {
        let compact = Compact::parse_within(token, MAX_LEN).map_err(|_| Fault::IdTokenMalformed)?;
        let alg = self.verify(&compact, &metadata.algs)?;
        let payload = compact.payload().map_err(|_| Fault::IdTokenMalformed)?;
        let Ok(Value::Object(mut claims)) = crate::json::parse(&payload) else {
            return Err(Fault::IdTokenMalformed);
        };
        let profile = profile::read(&claims);
        let read = Read::of(&mut claims)?;
        if read.issuer != metadata.issuer.as_str() {
            return Err(Fault::IdTokenIssuer);
        }
        read.check_audience(expected.client)?;
        read.check_times(now)?;
        let nonce = read.nonce.as_deref().unwrap_or_default();
        if verify_slices_are_equal(nonce.as_bytes(), expected.nonce.as_bytes()).is_err() {
            return Err(Fault::IdTokenNonce);
        }
        check_hash(&mut claims, "c_hash", alg, Some(expected.code))?;
        check_hash(&mut claims, "at_hash", alg, expected.access_token)?;
        if let Some(since) = expected.since
            && read.authenticated_at.is_none_or(|at| at < since - LEEWAY)
        {
            return Err(Fault::AuthTime);
        }
        Ok(Identity {
            subject: read.subject,
            authenticated_at: read.authenticated_at.map(|at| at.min(now)),
            profile,
        })
    }
}

impl Identity {
    /// Whether the ID token said nothing of the user but their name there: a provider may keep the rest for `/userinfo`
    /// (OpenID Connect Core section 5.4).
    pub fn is_bare(&self) -> bool {
        self.profile == Profile::default()
    }

    /// Adds what the provider says at `/userinfo`, which has to be of the same user (section 5.3.2).
    pub fn complete(&mut self, document: &[u8]) -> Result<(), Fault> {
        let Ok(Value::Object(claims)) = crate::json::parse(document) else {
            return Err(Fault::UserInfo);
        };
        if claims.get("sub").and_then(Value::as_str) != Some(&self.subject) {
            return Err(Fault::UserInfo);
        }
        self.profile = profile::read(&claims);
        Ok(())
    }
}

/// The claims that are checked.
struct Read {
    issuer: String,
    subject: String,
    audiences: Vec<String>,
    party: Option<String>,
    issued_at: UnixTime,
    expires_at: UnixTime,
    not_before: Option<UnixTime>,
    authenticated_at: Option<UnixTime>,
    nonce: Option<String>,
}

impl Read {
    fn of(claims: &mut Map<String, Value>) -> Result<Self, Fault> {
        let malformed = Fault::IdTokenMalformed;
        let mut text = |name| take_text(claims, name, 1024).map_err(|_| malformed);
        let issuer = text("iss")?.ok_or(malformed)?;
        let subject = text("sub")?.ok_or(malformed)?;
        let (party, nonce) = (text("azp")?, text("nonce")?);
        let mut time = |name| take_time(claims, name).map_err(|_| malformed);
        let (issued_at, expires_at) = (time("iat")?, time("exp")?);
        Ok(Self {
            issuer,
            subject,
            party,
            nonce,
            issued_at: issued_at.ok_or(malformed)?,
            expires_at: expires_at.ok_or(malformed)?,
            not_before: time("nbf")?,
            authenticated_at: time("auth_time")?,
            audiences: take_audiences(claims).map_err(|_| malformed)?,
        })
    }

    /// For this client; one for several names the party that it was given to.
    fn check_audience(&self, client: &str) -> Result<(), Fault> {
        let is_among = self.audiences.iter().any(|audience| audience == client);
        let party = match &self.party {
            Some(party) => party == client,
            None => self.audiences.len() == 1,
        };
        if is_among && party {
            Ok(())
        } else {
            Err(Fault::IdTokenAudience)
        }
    }

    fn check_times(&self, now: UnixTime) -> Result<(), Fault> {
        let begins = self
            .not_before
            .map_or(self.issued_at, |not_before| not_before.max(self.issued_at));
        if begins > now + LEEWAY || self.authenticated_at.is_some_and(|at| at > now + LEEWAY) {
            return Err(Fault::IdTokenTooEarly);
        }
        if self.expires_at <= now - LEEWAY {
            return Err(Fault::IdTokenExpired);
        }
        Ok(())
    }
}

/// Whether a hash is that of a text: the left half of the hash of the token's own algorithm (OpenID Connect Core section
/// 3.1.3.6). A hash that is not there is of nothing.
fn check_hash(
    claims: &mut Map<String, Value>,
    name: &'static str,
    alg: Alg,
    text: Option<&str>,
) -> Result<(), Fault> {
    let claimed = take_text(claims, name, 128).map_err(|_| Fault::IdTokenMalformed)?;
    let (Some(claimed), Some(text)) = (claimed, text) else {
        return Ok(());
    };
    let function = match alg {
        Alg::ES256 | Alg::PS256 | Alg::RS256 => &digest::SHA256,
        Alg::RS384 => &digest::SHA384,
        // Ed25519 hashes with SHA-512 (RFC 8032 section 5.1).
        Alg::EdDSA | Alg::RS512 => &digest::SHA512,
    };
    let hash = digest(function, text.as_bytes());
    let half = BASE64URL.encode(&hash.as_ref()[..hash.as_ref().len() / 2]);
    if claimed == half {
        Ok(())
    } else {
        Err(Fault::IdTokenHash)
    }
}
