use serde_json::Value;

use super::Fault;
use crate::Alg;
use crate::jose::{Compact, Jwk, PublicKey};

/// The keys of a provider. Each has one algorithm: an RSA key whose algorithm is not said is one of each.
#[derive(Clone, Debug)]
pub struct Keys(Vec<Named>);

#[derive(Clone, Debug)]
struct Named {
    /// Anything that the provider likes.
    kid: Option<String>,
    key: PublicKey,
}

/// The most keys that are looked at.
const MOST: usize = 64;

impl Keys {
    /// Reads a key set (RFC 7517 section 5). Keys of other kinds and for other uses are left out; without any that can be
    /// used it is no key set.
    pub fn parse(document: &[u8]) -> Result<Self, Fault> {
        let document = crate::json::parse(document).map_err(|_| Fault::ProviderKeys)?;
        let listed = document.get("keys").and_then(Value::as_array);
        let listed = listed.ok_or(Fault::ProviderKeys)?.iter().take(MOST);
        let keys: Vec<Named> = listed.flat_map(read).collect();
        if keys.is_empty() {
            return Err(Fault::ProviderKeys);
        }
        Ok(Self(keys))
    }

    /// Checks the signature of a token; its algorithm, which is one of those that the provider names. Without a `kid` any of
    /// the provider's keys may have signed it.
    pub(super) fn verify(&self, compact: &Compact<'_>, algs: &[Alg]) -> Result<Alg, Fault> {
        let header = &compact.header;
        // Nothing that would have to be understood (RFC 7515 section 4.1.11), and no token of another kind (RFC 8725 section
        // 3.11). A key in the header, or the address of one, is not looked at.
        let typ = match header.get("typ") {
            None => Some("jwt".to_owned()),
            Some(typ) => typ.as_str().map(str::to_ascii_lowercase),
        };
        let is_jwt = typ.is_some_and(|typ| matches!(typ.as_str(), "jwt" | "application/jwt"));
        if header.contains_key("crit") || !is_jwt {
            return Err(Fault::IdTokenMalformed);
        }
        let alg = header.get("alg").and_then(Value::as_str);
        let alg: Option<Alg> = alg.and_then(|alg| alg.parse().ok());
        let alg = alg.filter(|alg| algs.contains(alg));
        let alg = alg.ok_or(Fault::IdTokenAlgorithm)?;
        let kid = match header.get("kid") {
            None => None,
            Some(kid) => Some(kid.as_str().ok_or(Fault::IdTokenMalformed)?),
        };
        let fits = |named: &&Named| {
            named.key.alg() == alg && (kid.is_none() || named.kid.as_deref() == kid)
        };
        let mut fitting = self.0.iter().filter(fits).peekable();
        if fitting.peek().is_none() {
            return Err(Fault::IdTokenKeyUnknown);
        }
        let input = compact.signing_input.as_bytes();
        if fitting.any(|named| named.key.verifies(input, &compact.signature)) {
            Ok(alg)
        } else {
            Err(Fault::IdTokenSignature)
        }
    }
}

/// One key, as often as it has algorithms.
fn read(key: &Value) -> Vec<Named> {
    let Some(members) = key.as_object() else {
        return Vec::new();
    };
    let kid = members.get("kid").and_then(Value::as_str);
    let with = |alg: Alg| {
        let mut members = members.clone();
        // A name of ours has a form that others need not keep to.
        members.remove("kid");
        members.insert("alg".to_owned(), alg.as_str().into());
        let jwk = Jwk::from_value(&Value::Object(members)).ok()?;
        Some(Named {
            kid: kid.map(str::to_owned),
            key: PublicKey::from_jwk(&jwk).ok()?,
        })
    };
    let said = members.get("alg");
    let all = Alg::ALL.into_iter();
    all.filter(|alg| said.is_none_or(|said| said == alg.as_str()))
        .filter_map(with)
        .collect()
}
