//! Certificates: made, and read.

use std::collections::BTreeSet;
use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mintage_core::{Seconds, UnixTime};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;
use zeroize::Zeroizing;

/// Certificates begin so much in the past: whoever checks them may have a clock that is a day wrong.
pub const BACKDATED: Seconds = 2 * 86_400;

/// What a made certificate consists of, in PEM. The authority has signed this one certificate, and its key is gone.
#[derive(Clone)]
pub struct Made {
    /// The authority's certificate.
    pub authority: String,
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: Zeroizing<String>,
}

/// Makes a certificate for host names and addresses, by an authority of its own.
///
/// The authority's key is thrown away: who reads the Secret gets one certificate and can sign no other.
pub fn make(names: &BTreeSet<String>, now: UnixTime, life: Seconds) -> Result<Made, rcgen::Error> {
    let authority_key = KeyPair::generate()?;
    let mut authority = CertificateParams::default();
    // Each has a name of its own, so that a certificate says by which of them it was signed.
    let id = digest(&SHA256, authority_key.public_key_raw());
    let id = URL_SAFE_NO_PAD.encode(&id.as_ref()[..8]);
    authority
        .distinguished_name
        .push(DnType::CommonName, format!("mintage webhook {id}"));
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    set_life(&mut authority, now, life);
    let authority_certificate = authority.self_signed(&authority_key)?.pem();
    let issuer = Issuer::new(authority, authority_key);

    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.iter().cloned().collect::<Vec<_>>())?;
    params
        .distinguished_name
        .push(DnType::CommonName, "mintage webhook");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    set_life(&mut params, now, life);
    Ok(Made {
        authority: authority_certificate,
        certificate: params.signed_by(&key, &issuer)?.pem(),
        key: Zeroizing::new(key.serialize_pem()),
    })
}

fn set_life(params: &mut CertificateParams, now: UnixTime, life: Seconds) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let at = |time: UnixTime| epoch + std::time::Duration::from_secs(time.0.unsigned_abs());
    params.not_before = at(now - BACKDATED);
    params.not_after = at(now + life);
}

/// What a certificate says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Facts {
    /// From when it is good.
    pub not_before: UnixTime,
    /// Until when.
    pub not_after: UnixTime,
    /// The host names and addresses that it is for.
    pub names: BTreeSet<String>,
    /// Who signed it: the name as it stands there.
    pub issuer: Vec<u8>,
    /// Whose it is: the name as it stands there.
    pub subject: Vec<u8>,
    /// A number that belongs to the certificate, for spreading times.
    pub spread: u16,
}

/// A text that holds no certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("it is no certificate in PEM")]
pub struct NoCertificate;

impl Facts {
    /// Reads the first certificate of a PEM text.
    pub fn read(pem: &str) -> Result<Self, NoCertificate> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| NoCertificate)?;
        let (_, certificate) = parse_x509_certificate(&der).map_err(|_| NoCertificate)?;
        let names = certificate
            .subject_alternative_name()
            .map_err(|_| NoCertificate)?;
        let names = names.iter().flat_map(|names| &names.value.general_names);
        let digest = digest(&SHA256, &der);
        Ok(Self {
            not_before: UnixTime(certificate.validity().not_before.timestamp()),
            not_after: UnixTime(certificate.validity().not_after.timestamp()),
            names: names.filter_map(name).collect(),
            issuer: certificate.issuer().as_raw().to_vec(),
            subject: certificate.subject().as_raw().to_vec(),
            spread: u16::from_be_bytes([digest.as_ref()[0], digest.as_ref()[1]]),
        })
    }

    /// Whether it is for all of these names.
    pub fn covers(&self, names: &BTreeSet<String>) -> bool {
        let covered = |name: &String| {
            let parent = name
                .split_once('.')
                .map(|(_, parent)| format!("*.{parent}"));
            self.names.contains(name) || parent.is_some_and(|any| self.names.contains(&any))
        };
        names.iter().all(covered)
    }

    /// Whether it is good at a moment.
    pub fn is_good(&self, now: UnixTime) -> bool {
        self.not_before <= now && now < self.not_after
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let v6 = || <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
            v4.or_else(|_| v6()).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}
