//! Opaque access tokens: for `/userinfo` alone (row S3), read by nobody but the endpoint.
//!
//! Written as Auth0 writes them: a compact JWE (RFC 7516) with direct encryption, whose second part is empty. No JWE of
//! anybody else is opened: the algorithm is ours, and what the header says of it is not read.

use base64::Engine as _;
use serde::{Deserialize, Serialize};

use super::secrets::{Master, Purpose, SealNonce, day_of};
use crate::jose::{BASE64URL, encode_segment};
use crate::{ClientId, Issuer, Scope, Seconds, UnixTime, UserId};

/// What an opaque token says.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct OpaqueClaims {
    /// The issuer that it was asked from.
    pub iss: Issuer,
    /// The user.
    pub sub: UserId,
    /// The application.
    pub azp: ClientId,
    /// The scopes, `openid` among them.
    pub scope: Vec<Scope>,
    /// When it was issued.
    pub iat: UnixTime,
    /// When it ends.
    pub exp: UnixTime,
}

/// How long one lives, in seconds, as at Auth0. A sealing key opens what it sealed for a day and what is left of the next.
pub const OPAQUE_LIFETIME: Seconds = 86_400;

/// The longest that is looked at, in bytes.
const MAX_LEN: usize = 4096;

const TAG: usize = 16;

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    enc: &'static str,
    iss: &'a Issuer,
    kid: String,
}

impl OpaqueClaims {
    /// Writes the token.
    pub fn seal(&self, master: &Master, nonce: SealNonce) -> String {
        let day = day_of(self.iat);
        let header = encode_segment(&Header {
            alg: "dir",
            enc: "A256GCM",
            iss: &self.iss,
            kid: format!("{day:x}"),
        });
        let plain = serde_json::to_vec(self).expect("claims have string keys");
        let sealed = master.seal_bytes(Purpose::Token, day, nonce, &header, &plain);
        let (text, tag) = sealed.split_at(sealed.len() - TAG);
        let [nonce, text, tag] = [&nonce[..], text, tag].map(|part| BASE64URL.encode(part));
        format!("{header}..{nonce}.{text}.{tag}")
    }

    /// Opens a token that this endpoint wrote and that has not ended; `None` for every other text.
    pub fn open(master: &Master, now: UnixTime, token: &str) -> Option<Self> {
        if token.len() > MAX_LEN {
            return None;
        }
        let parts: Vec<&str> = token.splitn(6, '.').collect();
        let [header, "", nonce, text, tag] = parts.as_slice() else {
            return None;
        };
        let fields = crate::json::parse(&BASE64URL.decode(header).ok()?).ok()?;
        // Which key, and nothing else: whatever the header says is under the seal.
        let day = i64::from_str_radix(fields.get("kid")?.as_str()?, 16).ok()?;
        let nonce: SealNonce = BASE64URL.decode(nonce).ok()?.try_into().ok()?;
        let mut sealed = BASE64URL.decode(text).ok()?;
        let tag = BASE64URL.decode(tag).ok()?;
        if tag.len() != TAG {
            return None;
        }
        sealed.extend(tag);
        let plain = master.open_bytes(Purpose::Token, now, day, nonce, header, sealed)?;
        let claims: Self = serde_json::from_slice(&plain).ok()?;
        (claims.iat <= now + crate::LEEWAY && now < claims.exp).then_some(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_795_000_000);

    fn claims() -> OpaqueClaims {
        OpaqueClaims {
            iss: Issuer::parse("https://acme.example/").unwrap(),
            sub: UserId::parse("staff|ada").unwrap(),
            azp: ClientId::parse("app").unwrap(),
            scope: vec![Scope::parse("openid").unwrap()],
            iat: NOW,
            exp: NOW + OPAQUE_LIFETIME,
        }
    }

    #[test]
    fn an_opaque_token_is_a_jwe_with_an_empty_second_part() {
        let master = Master::new([3; 32]);
        let token = claims().seal(&master, [9; 12]);
        let parts: Vec<&str> = token.split('.').collect();
        assert_eq!((parts.len(), parts[1]), (5, ""));
        let header: serde_json::Value =
            serde_json::from_slice(&BASE64URL.decode(parts[0]).unwrap()).unwrap();
        assert_eq!(header["alg"], "dir");
        assert_eq!(header["enc"], "A256GCM");
        assert_eq!(header["iss"], "https://acme.example/");
        assert!(!token.contains("staff"));
        assert_eq!(OpaqueClaims::open(&master, NOW, &token), Some(claims()));
        assert_eq!(
            OpaqueClaims::open(&master, NOW + OPAQUE_LIFETIME - 1, &token),
            Some(claims())
        );
        assert_eq!(
            OpaqueClaims::open(&master, NOW + OPAQUE_LIFETIME, &token),
            None
        );
        assert_eq!(OpaqueClaims::open(&Master::new([4; 32]), NOW, &token), None);
    }

    /// Attacks 15 and 17 (CVE-2026-27840): every cut, every changed character, every other algorithm.
    #[test]
    fn a_token_that_was_cut_or_changed_is_none() {
        let master = Master::new([3; 32]);
        let token = claims().seal(&master, [9; 12]);
        for end in 0..token.len() {
            assert_eq!(OpaqueClaims::open(&master, NOW, &token[..end]), None);
        }
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(
                OpaqueClaims::open(&master, NOW, &changed),
                None,
                "{changed}"
            );
        }
        let rest = token.split_once('.').unwrap().1;
        for header in [
            r#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":2147483647,"kid":"5126"}"#,
            r#"{"alg":"dir","enc":"A256GCM","zip":"DEF","kid":"5126"}"#,
        ] {
            let token = format!("{}.{rest}", BASE64URL.encode(header));
            assert_eq!(OpaqueClaims::open(&master, NOW, &token), None);
        }
        assert_eq!(
            OpaqueClaims::open(&master, NOW, &format!("{token}.x")),
            None
        );
    }
}
