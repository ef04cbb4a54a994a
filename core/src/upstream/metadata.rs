use serde_json::{Map, Value};

use super::{Address, Fault, ProviderIssuer};
use crate::Alg;

/// What a provider says of itself, as far as it is needed (OpenID Connect Discovery section 3).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Metadata {
    /// Its issuer, which is the one that was asked.
    pub issuer: ProviderIssuer,
    /// Where users sign in.
    pub authorization_endpoint: Address,
    /// Where a code is redeemed.
    pub token_endpoint: Address,
    /// Where its keys are.
    pub jwks_uri: Address,
    /// Where it says more of a user, if it does.
    pub userinfo_endpoint: Option<Address>,
    /// The algorithms of its ID tokens that are taken.
    pub(super) algs: Vec<Alg>,
    basic: bool,
    post: bool,
    /// Whether each of its answers names it (RFC 9207).
    names_itself: bool,
}

/// How the tenant shows a provider who it is (OpenID Connect Core section 9).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shown {
    /// The secret in the header (`client_secret_basic`).
    Basic,
    /// The secret in the form (`client_secret_post`).
    Post,
    /// It does not: a public client (`none`).
    Public,
}

impl Metadata {
    /// Reads a discovery document that was found at an issuer.
    pub fn parse(issuer: &ProviderIssuer, document: &[u8]) -> Result<Self, Fault> {
        let Ok(Value::Object(members)) = crate::json::parse(document) else {
            return Err(Fault::ProviderMetadata);
        };
        let text = |name| members.get(name).and_then(Value::as_str);
        if text("issuer").ok_or(Fault::ProviderMetadata)? != issuer.as_str() {
            return Err(Fault::ProviderIssuer);
        }
        let address = |name| issuer.address(text(name).ok_or(Fault::ProviderMetadata)?);
        let names = |name, default: &str| {
            let all = listed(&members, name)?;
            Ok::<_, Fault>(all.unwrap_or_else(|| vec![default.to_owned()]))
        };
        let algs = names("id_token_signing_alg_values_supported", "RS256")?;
        let algs: Vec<Alg> = algs.iter().filter_map(|name| name.parse().ok()).collect();
        if algs.is_empty() {
            return Err(Fault::ProviderAlgorithms);
        }
        let ways = names(
            "token_endpoint_auth_methods_supported",
            "client_secret_basic",
        )?;
        let names_itself = members.get("authorization_response_iss_parameter_supported");
        Ok(Self {
            issuer: issuer.clone(),
            authorization_endpoint: address("authorization_endpoint")?,
            token_endpoint: address("token_endpoint")?,
            jwks_uri: address("jwks_uri")?,
            userinfo_endpoint: match text("userinfo_endpoint") {
                Some(text) => Some(issuer.address(text)?),
                None => None,
            },
            algs,
            basic: ways.iter().any(|way| way == "client_secret_basic"),
            post: ways.iter().any(|way| way == "client_secret_post"),
            names_itself: names_itself == Some(&Value::Bool(true)),
        })
    }

    /// How a client with a secret, or without one, shows who it is.
    pub fn shown(&self, has_secret: bool) -> Result<Shown, Fault> {
        match (has_secret, self.basic, self.post) {
            (false, _, _) => Ok(Shown::Public),
            (true, true, _) => Ok(Shown::Basic),
            (true, false, true) => Ok(Shown::Post),
            (true, false, false) => Err(Fault::ProviderClientAuth),
        }
    }

    /// Whether an answer is this provider's, by its `iss` (RFC 9207 section 2.4): the same to the byte, and there where the
    /// provider says that it always is.
    pub fn check_answer(&self, iss: Option<&str>) -> Result<(), Fault> {
        match iss {
            Some(iss) if iss == self.issuer.as_str() => Ok(()),
            None if !self.names_itself => Ok(()),
            _ => Err(Fault::ProviderMixedUp),
        }
    }
}

/// A member that is a list of texts, if it is there.
fn listed(members: &Map<String, Value>, name: &str) -> Result<Option<Vec<String>>, Fault> {
    let Some(member) = members.get(name) else {
        return Ok(None);
    };
    let all = member.as_array().ok_or(Fault::ProviderMetadata)?.iter();
    all.map(|one| one.as_str().map(str::to_owned))
        .collect::<Option<_>>()
        .map(Some)
        .ok_or(Fault::ProviderMetadata)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn issuer() -> ProviderIssuer {
        ProviderIssuer::parse("https://id.test/").unwrap()
    }

    fn document() -> Value {
        json!({
            "issuer": "https://id.test/",
            "authorization_endpoint": "https://id.test/authorize?tenant=1",
            "token_endpoint": "https://id.test/token",
            "jwks_uri": "https://keys.test/jwks",
        })
    }

    fn parse(document: &Value) -> Result<Metadata, Fault> {
        Metadata::parse(&issuer(), document.to_string().as_bytes())
    }

    #[test]
    fn what_is_not_said_is_as_the_standard_says() {
        let read = parse(&document()).unwrap();
        assert_eq!(read.algs, [Alg::RS256]);
        assert_eq!(read.shown(true), Ok(Shown::Basic));
        assert_eq!(read.shown(false), Ok(Shown::Public));
        assert_eq!(read.check_answer(None), Ok(()));
        let asked = read.authorization_endpoint.with_query("a=b");
        assert_eq!(asked, "https://id.test/authorize?tenant=1&a=b");
    }

    #[test]
    fn one_change_and_it_is_no_document_of_the_provider() {
        assert!(parse(&document()).is_ok());
        for (member, value, fault) in [
            ("issuer", json!("https://id.test"), Fault::ProviderIssuer),
            ("issuer", json!("https://evil.test/"), Fault::ProviderIssuer),
            ("issuer", json!(null), Fault::ProviderMetadata),
            ("token_endpoint", json!(7), Fault::ProviderMetadata),
            ("jwks_uri", json!("/jwks"), Fault::ProviderAddress),
            (
                "token_endpoint",
                json!("http://127.0.0.1:7601/"),
                Fault::ProviderAddress,
            ),
            (
                "authorization_endpoint",
                json!("javascript:alert(1)"),
                Fault::ProviderAddress,
            ),
            (
                "id_token_signing_alg_values_supported",
                json!(["HS256", "none"]),
                Fault::ProviderAlgorithms,
            ),
            (
                "id_token_signing_alg_values_supported",
                json!("RS256"),
                Fault::ProviderMetadata,
            ),
        ] {
            let mut changed = document();
            changed[member] = value.clone();
            assert_eq!(parse(&changed), Err(fault), "{member}: {value}");
        }
        for text in ["", "[]", r#"{"issuer":"a","issuer":"https://id.test/"}"#] {
            let refused = Metadata::parse(&issuer(), text.as_bytes());
            assert_eq!(refused, Err(Fault::ProviderMetadata), "{text}");
        }
    }

    #[test]
    fn the_secret_is_shown_as_the_provider_takes_it() {
        let ways = |ways: Value| {
            let mut document = document();
            document["token_endpoint_auth_methods_supported"] = ways;
            parse(&document).unwrap().shown(true)
        };
        let both = json!(["client_secret_post", "client_secret_basic"]);
        assert_eq!(ways(both), Ok(Shown::Basic));
        assert_eq!(ways(json!(["client_secret_post"])), Ok(Shown::Post));
        let others = json!(["private_key_jwt", "none"]);
        assert_eq!(ways(others), Err(Fault::ProviderClientAuth));
    }

    /// RFC 9207: a name that is there has to be the provider's, and one that was promised has to be there.
    #[test]
    fn an_answer_is_of_the_provider_that_it_names() {
        let mut document = document();
        for promised in [false, true] {
            document["authorization_response_iss_parameter_supported"] = promised.into();
            let read = parse(&document).unwrap();
            assert_eq!(read.check_answer(Some("https://id.test/")), Ok(()));
            assert_eq!(read.check_answer(None).is_ok(), !promised);
            for other in [
                "https://id.test",
                "https://ID.test/",
                "https://evil.test/",
                "",
            ] {
                let refused = read.check_answer(Some(other));
                assert_eq!(refused, Err(Fault::ProviderMixedUp), "{other}");
            }
        }
    }
}
