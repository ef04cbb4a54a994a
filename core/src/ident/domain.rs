use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::InvalidName;
use super::object::is_dns_label;

/// A host name with an optional port, lower case, without the default port 443: `acme.example.com`, `acme.localhost:7743`.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain(Arc<str>);

impl Domain {
    /// Reads a domain as an admin writes it; `:443` is dropped, because `https://host:443/` and `https://host/` are
    /// one origin and so must be one claim.
    pub fn parse(value: &str) -> Result<Self, InvalidName> {
        let error = |must| InvalidName::new("domain", value, must);
        let (host, port) = match value.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (value, None),
        };
        if host.len() > 253 || !host.split('.').all(is_dns_label) {
            return Err(error(
                "must be a lower-case host name: labels of a-z 0-9 - with dots between them",
            ));
        }
        match port {
            None | Some("443") => Ok(Self(host.into())),
            Some(port) => {
                let plain = !port.starts_with('0') && port.bytes().all(|b| b.is_ascii_digit());
                match port.parse::<u16>() {
                    Ok(number) if plain && number > 0 => Ok(Self(value.into())),
                    _ => Err(error("must have a port between 1 and 65535, or none")),
                }
            }
        }
    }

    /// The host without the port.
    pub fn host(&self) -> &str {
        self.0.split_once(':').map_or(&*self.0, |(host, _)| host)
    }

    /// The issuer of this domain.
    pub fn issuer(&self) -> Issuer {
        Issuer(format!("https://{}/", self.0).into())
    }

    /// The identifier of the Management API on this domain: `https://<domain>/api/v2/`.
    pub fn management_api(&self) -> String {
        format!("https://{}/api/v2/", self.0)
    }

    /// The audience of `/userinfo` on this domain.
    pub fn userinfo(&self) -> String {
        format!("https://{}/userinfo", self.0)
    }
}

string_type!(Domain);

/// An `iss` value: `https://<domain>/`, with the trailing slash that Auth0's clients expect.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Issuer(Arc<str>);

impl Issuer {
    /// `https://<domain>/`, nothing else.
    pub fn parse(value: &str) -> Result<Self, InvalidName> {
        value
            .strip_prefix("https://")
            .and_then(|rest| rest.strip_suffix('/'))
            .and_then(|domain| Domain::parse(domain).ok())
            .filter(|domain| !value.contains(":443/") && domain.issuer().as_str() == value)
            .map(|domain| domain.issuer())
            .ok_or_else(|| {
                InvalidName::new(
                    "issuer",
                    value,
                    "must be https://<domain>/ with the slash at its end",
                )
            })
    }

    /// The domain inside.
    pub fn domain(&self) -> Domain {
        let inner = self.0.trim_start_matches("https://").trim_end_matches('/');
        Domain(inner.into())
    }

    /// The address of a path below the issuer; `path` has no leading slash.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

string_type!(Issuer);

impl PartialEq<str> for Issuer {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}
