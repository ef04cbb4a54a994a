//! A certificate authority for the issuers' host names on this machine: short-lived, constrained to those names, kept
//! in the state folder. Nothing is installed into the system.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use mintage_core::{Seconds, UnixTime};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};

use super::store::Store;

const DAY: Seconds = 86_400;
const AUTHORITY_LIFE: Seconds = 30 * DAY;
const LEAF_LIFE: Seconds = 2 * DAY;
/// Certificates begin a little in the past, for clocks that are behind.
const BACKDATED: Seconds = 3600;

/// What is kept of the authority, besides its public certificate.
#[derive(Deserialize, Serialize)]
struct Kept {
    hosts: BTreeSet<String>,
    not_after: UnixTime,
    certificate_pem: String,
    key_pem: String,
}

/// A server's TLS set-up, good for some hosts until some time.
pub struct Tls {
    /// For the listener.
    pub config: Arc<ServerConfig>,
    /// The hosts.
    pub hosts: BTreeSet<String>,
    /// When it should be made anew: at half its life.
    pub renew_at: UnixTime,
    /// Whether the authority is a new one, so that clients must read `ca.pem` again.
    pub new_authority: bool,
}

impl Tls {
    /// Makes a server certificate for the hosts, by the kept authority if that covers them for long enough.
    pub fn make(store: &Store, hosts: &BTreeSet<String>, now: UnixTime) -> Result<Self> {
        let kept = store
            .read("tls/authority.json")?
            .and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok());
        let covers =
            |kept: &Kept| hosts.is_subset(&kept.hosts) && kept.not_after > now + 2 * LEAF_LIFE;
        let (kept, new_authority) = match kept.filter(covers) {
            Some(kept) => (kept, false),
            None => (make_authority(hosts, now)?, true),
        };
        let key = KeyPair::from_pem(&kept.key_pem)
            .context("the key of the local certificate authority is damaged")?;
        let issuer = Issuer::from_ca_cert_pem(&kept.certificate_pem, key)
            .context("the certificate of the local certificate authority is damaged")?;
        let config = leaf(&issuer, hosts, now)?;
        if new_authority {
            store.write("tls/authority.json", &serde_json::to_vec(&kept)?, 0o600)?;
        }
        store.write("ca.pem", kept.certificate_pem.as_bytes(), 0o644)?;
        Ok(Self {
            config,
            hosts: hosts.clone(),
            renew_at: now + LEAF_LIFE / 2,
            new_authority,
        })
    }
}

fn make_authority(hosts: &BTreeSet<String>, now: UnixTime) -> Result<Kept> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "mintage dev, this machine only");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: hosts.iter().cloned().map(GeneralSubtree::DnsName).collect(),
        excluded_subtrees: Vec::new(),
    });
    let not_after = now + AUTHORITY_LIFE;
    set_life(&mut params, now, not_after);
    let certificate_pem = params.self_signed(&key)?.pem();
    Ok(Kept {
        hosts: hosts.clone(),
        not_after,
        certificate_pem,
        key_pem: key.serialize_pem(),
    })
}

fn leaf(
    issuer: &Issuer<'_, KeyPair>,
    hosts: &BTreeSet<String>,
    now: UnixTime,
) -> Result<Arc<ServerConfig>> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(hosts.iter().cloned().collect::<Vec<_>>())?;
    params
        .distinguished_name
        .push(DnType::CommonName, "mintage dev");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    set_life(&mut params, now, now + LEAF_LIFE);
    let certificate: CertificateDer<'static> = params.signed_by(&key, issuer)?.der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn set_life(params: &mut CertificateParams, now: UnixTime, not_after: UnixTime) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let at = |time: UnixTime| epoch + std::time::Duration::from_secs(time.0.unsigned_abs());
    params.not_before = at(now - BACKDATED);
    params.not_after = at(not_after);
}
