use std::fmt;

use super::Fault;
use crate::endpoint::RedirectUri;

/// An address of a provider: `https`, or `http` on the loopback; read as strictly as the address of an application.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Address(RedirectUri);

/// The issuer of a provider, exactly as it writes itself: the trailing slash counts (OpenID Connect Discovery section 4.3).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProviderIssuer(Address);

impl Address {
    /// Reads an address, of at most 512 characters and without user, fragment or dot segments.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        match RedirectUri::parse(text) {
            Ok(address) if address.origin().is_some() => Ok(Self(address)),
            _ => Err(Fault::ProviderAddress),
        }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// With parameters in its query; those that it has stay (RFC 6749 section 3.1).
    pub fn with_query(&self, encoded: &str) -> String {
        self.0.with_query(encoded)
    }

    /// Whether what is sent there is read by nobody on the way.
    fn is_secure(&self) -> bool {
        self.as_str().starts_with("https://")
    }
}

impl ProviderIssuer {
    /// Reads an issuer: an address without a query.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let address = Address::parse(text)?;
        if text.contains('?') {
            return Err(Fault::ProviderAddress);
        }
        Ok(Self(address))
    }

    /// The issuer.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Where its discovery document is (OpenID Connect Discovery section 4).
    pub fn discovery(&self) -> String {
        let base = self.as_str().trim_end_matches('/');
        format!("{base}/.well-known/openid-configuration")
    }

    /// An address that the provider names: as secure as its issuer, at least.
    pub(super) fn address(&self, text: &str) -> Result<Address, Fault> {
        let address = Address::parse(text)?;
        if address.is_secure() || !self.0.is_secure() {
            Ok(address)
        } else {
            Err(Fault::ProviderAddress)
        }
    }
}

impl fmt::Display for ProviderIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_https_or_on_this_machine() {
        for (text, discovery) in [
            (
                "https://id.test",
                "https://id.test/.well-known/openid-configuration",
            ),
            (
                "https://id.test/",
                "https://id.test/.well-known/openid-configuration",
            ),
            (
                "https://id.test/realms/acme",
                "https://id.test/realms/acme/.well-known/openid-configuration",
            ),
            (
                "http://127.0.0.1:4000",
                "http://127.0.0.1:4000/.well-known/openid-configuration",
            ),
        ] {
            assert_eq!(ProviderIssuer::parse(text).unwrap().discovery(), discovery);
        }
        for text in [
            "",
            "id.test",
            "http://id.test",
            "http://10.0.0.1",
            "https://user@id.test",
            "https://id.test/?a=b",
            "https://id.test/#x",
            "https://id.test/../x",
            "file:///etc/passwd",
            "com.example.app:/x",
        ] {
            let refused = ProviderIssuer::parse(text);
            assert_eq!(refused, Err(Fault::ProviderAddress), "{text}");
        }
    }

    /// What a document says must not lead from TLS to none, nor to another program on this machine.
    #[test]
    fn an_address_is_as_secure_as_the_issuer() {
        let public = ProviderIssuer::parse("https://id.test").unwrap();
        let local = ProviderIssuer::parse("http://localhost:4000").unwrap();
        assert!(public.address("https://keys.test/jwks").is_ok());
        assert!(local.address("http://localhost:4000/jwks").is_ok());
        assert!(local.address("https://keys.test/jwks").is_ok());
        for text in [
            "http://127.0.0.1:7600/jwks",
            "http://keys.test/jwks",
            "/jwks",
        ] {
            assert_eq!(public.address(text), Err(Fault::ProviderAddress), "{text}");
        }
        assert!(local.address("http://169.254.169.254/latest").is_err());
    }
}
