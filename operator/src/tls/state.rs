//! What the Secret holds: the certificate that is served, the one that comes next, and the authorities of both and of
//! those before.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use mintage_core::UnixTime;
use mintage_core::code::Coded as _;
use mintage_core::managed::{Content, LABEL};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::certificate::{Facts, Made};

/// Keys of the Secret: as the type `kubernetes.io/tls` has them, with all authorities in `ca.crt`.
pub const CERTIFICATE: &str = "tls.crt";
pub const KEY: &str = "tls.key";
pub const AUTHORITIES: &str = "ca.crt";
const NEXT_CERTIFICATE: &str = "next.crt";
const NEXT_KEY: &str = "next.key";

/// Annotation of the Secret: since when API servers have been told of the next authority, in seconds since 1970.
const TOLD_SINCE: &str = "mintage.dev/next-told-since";

/// More authorities than this are of no use; the first to expire are forgotten.
const MOST_AUTHORITIES: usize = 8;

/// A certificate with its key.
#[derive(Clone)]
pub struct Served {
    /// The certificate, in PEM.
    pub certificate: String,
    /// What it says.
    pub facts: Facts,
    key: Zeroizing<String>,
}

/// The certificate that is served next.
#[derive(Clone)]
pub struct Next {
    /// The certificate.
    pub served: Served,
    /// Since when the configurations of the API server have its authority, and so its API servers may.
    pub told_since: Option<UnixTime>,
}

/// An authority's certificate.
#[derive(Clone)]
pub struct Authority {
    /// In PEM.
    pub certificate: String,
    /// What it says.
    pub facts: Facts,
}

/// All of it. Each served certificate has its authority among the trusted ones.
#[derive(Clone)]
#[must_use]
pub struct State {
    /// What is served.
    pub current: Served,
    /// What is served next.
    pub next: Option<Next>,
    /// What API servers trust.
    pub trusted: Vec<Authority>,
}

/// Why a Secret's content cannot be served. It quotes nothing of it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unusable {
    /// The certificate is signed by none of the authorities.
    #[error("{CERTIFICATE} is signed by none of the authorities in {AUTHORITIES}")]
    Authority,
    /// A part cannot be read.
    #[error("{0} cannot be read")]
    Part(&'static str),
}

impl Served {
    fn new(certificate: String, key: Zeroizing<String>) -> Option<Self> {
        let facts = Facts::read(&certificate).ok()?;
        super::follow::server_config(certificate.as_bytes(), key.as_bytes()).ok()?;
        Some(Self {
            certificate,
            facts,
            key,
        })
    }

    fn is_signed_by(&self, authority: &Authority) -> bool {
        self.facts.issuer == authority.facts.subject
    }
}

impl State {
    /// The first certificate, with authorities that were there before.
    pub fn start(made: Made, trusted: Vec<Authority>) -> Option<Self> {
        let authority = Authority::read(&made.authority).into_iter();
        let mut state = Self {
            current: Served::new(made.certificate, made.key)?,
            next: None,
            trusted: authority.chain(trusted).collect(),
        };
        state.limit();
        Some(state)
    }

    /// The same with another certificate that comes next.
    pub fn prepare(mut self, made: Made) -> Option<Self> {
        let served = Served::new(made.certificate, made.key)?;
        let told_since = None;
        self.next = Some(Next { served, told_since });
        self.trusted.extend(Authority::read(&made.authority));
        self.limit();
        Some(self)
    }

    /// The same, with a note since when API servers have been told of the next authority.
    pub fn told(mut self, since: UnixTime) -> Self {
        if let Some(next) = &mut self.next {
            next.told_since = Some(since);
        }
        self
    }

    /// The next certificate is the current one.
    pub fn promote(mut self) -> Self {
        if let Some(next) = self.next.take() {
            self.current = next.served;
        }
        self
    }

    /// Without authorities whose certificates have all expired.
    pub fn forget(mut self, now: UnixTime) -> Self {
        let forgotten: Vec<_> = self.forgettable(now).map(|one| one.facts.clone()).collect();
        self.trusted.retain(|one| !forgotten.contains(&one.facts));
        self
    }

    /// Authorities that are of no use any more: none of their certificates is good.
    pub fn forgettable(&self, now: UnixTime) -> impl Iterator<Item = &Authority> {
        let in_use = |authority: &Authority| {
            let mut served = self.served();
            served.any(|served| served.is_signed_by(authority))
        };
        let expired = move |authority: &&Authority| authority.facts.not_after <= now;
        self.trusted
            .iter()
            .filter(expired)
            .filter(move |authority| !in_use(authority))
    }

    fn served(&self) -> impl Iterator<Item = &Served> {
        let next = self.next.iter().map(|next| &next.served);
        next.chain([&self.current])
    }

    fn limit(&mut self) {
        while self.trusted.len() > MOST_AUTHORITIES {
            let served: Vec<_> = self.served().cloned().collect();
            let in_use = |one: &Authority| served.iter().any(|served| served.is_signed_by(one));
            let numbered = self.trusted.iter().enumerate();
            let idle = numbered.filter(|(_, one)| !in_use(one));
            let first = idle.min_by_key(|(_, one)| one.facts.not_after);
            let Some((index, _)) = first else { return };
            self.trusted.remove(index);
        }
    }

    /// What API servers are to be told: `caBundle`.
    pub fn bundle(&self) -> String {
        self.trusted
            .iter()
            .map(|one| one.certificate.as_str())
            .collect()
    }

    /// Reads a Secret.
    pub fn read(secret: &Secret) -> Result<Self, Unusable> {
        let part = |name| part(secret, name).ok_or(Unusable::Part(name));
        let trusted = Authority::read(&part(AUTHORITIES)?);
        let current = Served::new(part(CERTIFICATE)?.to_string(), part(KEY)?);
        let current = current.ok_or(Unusable::Part(CERTIFICATE))?;
        let is_trusted = |served: &Served| trusted.iter().any(|one| served.is_signed_by(one));
        if !is_trusted(&current) {
            return Err(Unusable::Authority);
        }
        let next = part(NEXT_CERTIFICATE).ok().zip(part(NEXT_KEY).ok());
        let next = next.and_then(|(certificate, key)| Served::new(certificate.to_string(), key));
        // One that is damaged is made anew.
        let next = next.filter(is_trusted).map(|served| Next {
            served,
            told_since: told_since(secret),
        });
        Ok(Self {
            current,
            next,
            trusted,
        })
    }

    /// The authorities of a Secret whose certificate cannot be used: some replica may still serve one of theirs.
    pub fn salvage(secret: &Secret) -> Vec<Authority> {
        let authorities = part(secret, AUTHORITIES);
        authorities.map_or_else(Vec::new, |pem| Authority::read(&pem))
    }

    /// Writes all of it into a Secret, and leaves what else that has.
    pub fn write(&self, secret: &mut Secret) {
        let mut data = BTreeMap::new();
        let mut put = |name: &str, text: &str| {
            data.insert(name.to_owned(), ByteString(text.as_bytes().to_vec()));
        };
        put(AUTHORITIES, &self.bundle());
        put(CERTIFICATE, &self.current.certificate);
        put(KEY, &self.current.key);
        if let Some(next) = &self.next {
            put(NEXT_CERTIFICATE, &next.served.certificate);
            put(NEXT_KEY, &next.served.key);
        }
        wipe(secret);
        secret.data = Some(data);
        secret.type_ = Some("kubernetes.io/tls".to_owned());
        let labels = secret.metadata.labels.get_or_insert_default();
        labels.insert(LABEL.to_owned(), Content::Tls.code().to_owned());
        let annotations = secret.metadata.annotations.get_or_insert_default();
        match self.next.as_ref().and_then(|next| next.told_since) {
            Some(since) => annotations.insert(TOLD_SINCE.to_owned(), since.to_string()),
            None => annotations.remove(TOLD_SINCE),
        };
    }
}

impl Authority {
    /// Reads every certificate of a PEM text that can be read.
    fn read(pem: &str) -> Vec<Self> {
        let certificates = CertificateDer::pem_slice_iter(pem.as_bytes());
        let read = certificates.filter_map(|der| {
            let certificate = pem_text(&der.ok()?);
            let facts = Facts::read(&certificate).ok()?;
            Some(Self { certificate, facts })
        });
        read.collect()
    }
}

/// Whether a Secret is the operator's to write.
pub fn is_ours(secret: &Secret) -> bool {
    let label = secret.metadata.labels.as_ref();
    label
        .and_then(|labels| labels.get(LABEL))
        .map(String::as_str)
        == Some(Content::Tls.code())
}

/// Overwrites a Secret's content in memory.
pub fn wipe(secret: &mut Secret) {
    for bytes in secret.data.iter_mut().flat_map(BTreeMap::values_mut) {
        bytes.0.zeroize();
    }
}

fn part(secret: &Secret, name: &str) -> Option<Zeroizing<String>> {
    let bytes = secret.data.as_ref()?.get(name)?;
    let text = std::str::from_utf8(&bytes.0).ok()?;
    Some(Zeroizing::new(text.to_owned()))
}

fn told_since(secret: &Secret) -> Option<UnixTime> {
    let text = secret.metadata.annotations.as_ref()?.get(TOLD_SINCE)?;
    text.parse().ok().map(UnixTime)
}

/// A certificate in PEM, written as all of them are here, so that texts can be compared.
fn pem_text(der: &CertificateDer<'_>) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in text.as_bytes().chunks(64) {
        pem.push_str(std::str::from_utf8(line).unwrap_or_default());
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}
