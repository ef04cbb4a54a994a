//! The certificates of a tenant's domains, chosen by the name that a client asks for. A handshake for any other name ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use mintage_core::{Domain, ObjectName};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ResolvesServerCertUsingSni;
use rustls::sign::CertifiedKey;

use crate::files::Files;

/// The entries of a Secret of type `kubernetes.io/tls`.
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

/// The last good certificate of each domain.
#[derive(Debug, Default)]
pub struct Certificates(BTreeMap<Domain, CertifiedKey>);

impl Certificates {
    /// Takes up the certificates that domains name now; what is wrong with them, in words. One that cannot be used leaves the
    /// domain's last good one.
    pub fn take_up(
        &mut self,
        named: &BTreeMap<Domain, ObjectName>,
        mut secret: impl FnMut(&ObjectName) -> Option<Files>,
    ) -> Vec<String> {
        self.0.retain(|domain, _| named.contains_key(domain));
        let mut complaints = Vec::new();
        for (domain, name) in named {
            match secret(name)
                .ok_or("it is not there".to_owned())
                .and_then(|files| read(&files, domain))
            {
                Ok(read) => {
                    self.0.insert(domain.clone(), read);
                }
                Err(why) => {
                    let kept = if self.0.contains_key(domain) {
                        "the last good one stays"
                    } else {
                        "handshakes for it end"
                    };
                    complaints.push(format!(
                        "the certificate of {domain}, Secret {name}: {why}; {kept}"
                    ));
                }
            }
        }
        complaints
    }

    /// Whether there is one for a domain.
    pub fn has(&self, domain: &Domain) -> bool {
        self.0.contains_key(domain)
    }

    /// The set-up of a listener with them.
    pub fn config(&self) -> Result<ServerConfig, rustls::Error> {
        let mut by_name = ResolvesServerCertUsingSni::new();
        for (domain, certified) in &self.0 {
            by_name.add(domain.host(), certified.clone())?;
        }
        with(by_name)
    }
}

/// The set-up of a listener that has no certificate yet: it ends every handshake.
pub fn none() -> Result<ServerConfig, rustls::Error> {
    Certificates::default().config()
}

fn with(by_name: ResolvesServerCertUsingSni) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(by_name));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Reads a certificate that is good for a domain. What is said of it repeats nothing of the key.
fn read(files: &Files, domain: &Domain) -> Result<CertifiedKey, String> {
    let entry = |name: &str| files.get(name).ok_or(format!("it has no entry {name}"));
    let chain = CertificateDer::pem_slice_iter(entry(CERTIFICATE)?).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|_| format!("{CERTIFICATE} is no PEM"))?;
    let key = PrivateKeyDer::from_pem_slice(entry(KEY)?)
        .map_err(|_| format!("{KEY} is no private key in PEM"))?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let certified = CertifiedKey::from_der(chain, key, &provider)
        .map_err(|error| format!("it cannot be used: {error}"))?;
    // It is refused for a name that it is not made for.
    ResolvesServerCertUsingSni::new()
        .add(domain.host(), certified.clone())
        .map_err(|error| format!("it is not good for {}: {error}", domain.host()))?;
    Ok(certified)
}
