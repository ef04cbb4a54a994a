//! First step: who signed, and what was signed.

use serde_json::{Map, Value};

use super::{Rejection, Verifier};
use crate::ident::parse_scopes;
use crate::jose::Compact;
use crate::keyring::State;
use crate::world::Dialect;
use crate::{Alg, Kid, LEEWAY, Scope, UnixTime};

/// Claims that a key of the tenant has signed; not yet judged.
#[derive(Clone, Debug)]
pub struct Authentic {
    /// The key.
    pub kid: Kid,
    /// Its algorithm.
    pub alg: Alg,
    /// The shape, by the header's `typ`.
    pub dialect: Dialect,
    /// The claims, with the right types.
    pub claims: Claims,
}

/// The claims of an access token.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// `aud`: one or several.
    pub audiences: Vec<String>,
    /// Whether `aud` was an array.
    pub audience_is_array: bool,
    /// `azp`, or `client_id` in the RFC 9068 dialect.
    pub client: String,
    /// `scope`.
    pub scopes: Vec<Scope>,
    /// `iat`.
    pub issued_at: UnixTime,
    /// `exp`.
    pub expires_at: UnixTime,
    /// `nbf`.
    pub not_before: Option<UnixTime>,
    /// `jti`.
    pub jti: Option<String>,
    /// `gty`.
    pub gty: Option<String>,
    /// Whether there are claims besides those above.
    pub has_others: bool,
}

/// The most entries of an `aud` array: ours have two.
const MAX_AUDIENCES: usize = 8;

/// The longest claim text, in bytes.
const MAX_TEXT: usize = 1024;

/// 9999-12-31T23:59:59Z, the last moment that every library can show.
const LAST_MOMENT: i64 = 253_402_300_799;

impl Verifier {
    /// Finds the key and checks its signature. Nothing of the token is believed before, and nothing is fetched.
    pub fn authenticate(&self, token: &str, now: UnixTime) -> Result<Authentic, Rejection> {
        let compact = Compact::parse(token)?;
        let (alg, dialect, kid) = read_header(&compact.header)?;
        let known = self.keys.get(kid).ok_or(Rejection::KeyUnknown)?;
        if known.public.alg() != alg {
            return Err(Rejection::AlgOfKey);
        }
        self.check_key(kid, now)?;
        if !known
            .public
            .verifies(compact.signing_input.as_bytes(), &compact.signature)
        {
            return Err(Rejection::Signature);
        }
        let claims = read_claims(&compact.payload()?, dialect)?;
        Ok(Authentic {
            kid: known.trusted.key.kid().clone(),
            alg,
            dialect,
            claims,
        })
    }

    /// Whether tokens under a key may be accepted at all.
    pub(super) fn check_key(&self, kid: &str, now: UnixTime) -> Result<(), Rejection> {
        let key = &self.keys.get(kid).ok_or(Rejection::KeyUnknown)?.trusted.key;
        match key.state(now) {
            State::Active | State::Retiring => Ok(()),
            // The signer's clock may be ahead of ours, or it has not heard that the key's beginning was put off.
            State::Next if key.believed_from().is_some_and(|at| at <= now + LEEWAY) => Ok(()),
            State::Next => Err(Rejection::KeyNotActive),
            State::Removed => Err(Rejection::KeyRemoved),
            State::Revoked => Err(Rejection::KeyRevoked),
        }
    }
}

pub(super) fn read_header(header: &Map<String, Value>) -> Result<(Alg, Dialect, &str), Rejection> {
    check_parameters(header)?;
    let text = |name| header.get(name).and_then(Value::as_str);
    let alg = text("alg")
        .and_then(|alg| alg.parse().ok())
        .ok_or(Rejection::AlgNotAccepted)?;
    let dialect = read_type(header)?;
    let kid = text("kid").ok_or(Rejection::KeyUnknown)?;
    Ok((alg, dialect, kid))
}

/// Only what we write ourselves: no key inside the token (jwk, jku, x5u, x5c), no extension (crit, b64, zip, enc).
pub(super) fn check_parameters(header: &Map<String, Value>) -> Result<(), Rejection> {
    let ours = |name: &&String| matches!(name.as_str(), "alg" | "typ" | "kid");
    match header.keys().find(|name| !ours(name)) {
        Some(name) => Err(Rejection::HeaderParameter(name.chars().take(32).collect())),
        None => Ok(()),
    }
}

/// The shape by `typ`. RFC 7515 section 4.1.9: media types compare without regard to case, and `application/` may be left
/// out.
pub(super) fn read_type(header: &Map<String, Value>) -> Result<Dialect, Rejection> {
    let typ = header.get("typ").and_then(Value::as_str);
    let typ = typ.ok_or(Rejection::Type)?.to_ascii_lowercase();
    match typ.strip_prefix("application/").unwrap_or(&typ) {
        "jwt" => Ok(Dialect::Auth0),
        "at+jwt" => Ok(Dialect::Rfc9068),
        _ => Err(Rejection::Type),
    }
}

pub(super) fn read_claims(payload: &[u8], dialect: Dialect) -> Result<Claims, Rejection> {
    let Ok(Value::Object(mut members)) = crate::json::parse(payload) else {
        return Err(Rejection::Claim("set"));
    };
    if members.contains_key("cnf") {
        return Err(Rejection::Constrained);
    }
    let required = |value: Option<String>, name| value.ok_or(Rejection::Claim(name));
    let client_claim = match dialect {
        Dialect::Auth0 => "azp",
        Dialect::Rfc9068 => "client_id",
    };
    let audience_is_array = members.get("aud").is_some_and(Value::is_array);
    let scopes = match take_text(&mut members, "scope", MAX_TEXT * 8)? {
        None => Vec::new(),
        Some(text) => parse_scopes(&text).map_err(|_| Rejection::Claim("scope"))?,
    };
    let claims = Claims {
        issuer: required(take_text(&mut members, "iss", MAX_TEXT)?, "iss")?,
        subject: required(take_text(&mut members, "sub", MAX_TEXT)?, "sub")?,
        audiences: take_audiences(&mut members)?,
        audience_is_array,
        client: required(
            take_text(&mut members, client_claim, MAX_TEXT)?,
            client_claim,
        )?,
        scopes,
        issued_at: take_time(&mut members, "iat")?.ok_or(Rejection::Claim("iat"))?,
        expires_at: take_time(&mut members, "exp")?.ok_or(Rejection::Claim("exp"))?,
        not_before: take_time(&mut members, "nbf")?,
        jti: take_text(&mut members, "jti", MAX_TEXT)?,
        gty: take_text(&mut members, "gty", MAX_TEXT)?,
        has_others: !members.is_empty(),
    };
    if dialect == Dialect::Rfc9068 && claims.jti.is_none() {
        return Err(Rejection::Claim("jti"));
    }
    Ok(claims)
}

/// A text claim: a non-empty string without control characters, or absent.
pub(crate) fn take_text(
    members: &mut Map<String, Value>,
    name: &'static str,
    max: usize,
) -> Result<Option<String>, Rejection> {
    match members.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) if fits(&text, max) => Ok(Some(text)),
        Some(_) => Err(Rejection::Claim(name)),
    }
}

fn fits(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// A moment: a whole number of seconds. Strings, fractions, negative numbers and those beyond the year 9999 are refused.
pub(crate) fn take_time(
    members: &mut Map<String, Value>,
    name: &'static str,
) -> Result<Option<UnixTime>, Rejection> {
    match members.remove(name) {
        None => Ok(None),
        Some(value) => match value.as_i64() {
            Some(seconds @ 0..=LAST_MOMENT) => Ok(Some(UnixTime(seconds))),
            _ => Err(Rejection::Claim(name)),
        },
    }
}

/// The audiences: one text, or an array of several.
pub(crate) fn take_audiences(members: &mut Map<String, Value>) -> Result<Vec<String>, Rejection> {
    let text = |value| match value {
        Value::String(text) if fits(&text, MAX_TEXT) => Ok(text),
        _ => Err(Rejection::Claim("aud")),
    };
    match members.remove("aud") {
        Some(Value::Array(values)) if (1..=MAX_AUDIENCES).contains(&values.len()) => {
            values.into_iter().map(text).collect()
        }
        Some(value) => Ok(vec![text(value)?]),
        None => Err(Rejection::Claim("aud")),
    }
}
