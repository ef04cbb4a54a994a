//! A tenant with an endpoint, planned at the machine's time, as files.

use std::collections::BTreeMap;

use mintage_core::UnixTime;
use mintage_core::bundle::{Stamped, split};
use mintage_core::endpoint::{Config, Master, MasterFile};
use mintage_core::keyring::Owner;
use mintage_core::world::World;
use mintage_sidecar::clock::{Clock as _, SystemClock};
use mintage_sidecar::files::{Files, TENANT_KEYRING};
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};

use crate::cluster::endpoint::{MACHINE, told, with_endpoints};
use crate::cluster::{ACME, Cluster, name};

/// What the operator would know.
pub struct Tenant {
    pub cluster: Cluster,
    pub now: UnixTime,
    /// Who signs the certificates.
    pub authority: CertifiedIssuer<'static, KeyPair>,
}

const MASTER: [u8; 32] = [9; 32];

/// A user, with a hash that costs next to nothing.
const ADA: &str = r#"{"password_hash": "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$t5QLzMlfSPLMezb1X/hRw1bKTTpryM1JhqBpLyqseOw"}"#;

impl Tenant {
    pub fn new(change: impl FnOnce(&mut World)) -> Self {
        let mut world = with_endpoints();
        let mut login = (**world.tenants[0].endpoint.as_ref().unwrap()).clone();
        login.certificate = Some(name("acme-tls"));
        world.tenants[0].endpoint = Some(login.into());
        change(&mut world);
        let mut params = CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        // Clocks and leeways: the keys have been active for a minute.
        let now = SystemClock.now() - 60;
        Self {
            cluster: Cluster::new(world),
            now,
            authority,
        }
    }

    /// What the endpoint is told.
    pub fn told(&mut self) -> Stamped<Config> {
        told(&mut self.cluster, ACME, self.now)
    }

    /// The files of the operator.
    pub fn files(&mut self) -> Files {
        let told = self.told();
        self.files_with(&told)
    }

    /// The same, telling something else.
    pub fn files_with(&self, told: &Stamped<Config>) -> Files {
        let mut files = Files::default();
        for (index, shard) in split(told).unwrap().into_iter().enumerate() {
            files.insert(&format!("endpoint-{index}"), shard);
        }
        let master = MasterFile {
            tenant_uid: told.body.tenant_uid.clone(),
            master: Master::new(MASTER),
        };
        files.insert("master.json", master.to_bytes());
        let keyring = self.cluster.keyring_file(&Owner::tenant(name(ACME)));
        files.insert(TENANT_KEYRING, keyring.to_bytes());
        files
    }

    /// A certificate with its key, as a Secret has them.
    pub fn certificate(&self, host: &str) -> Files {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        let mut files = Files::default();
        files.insert("tls.crt", certificate.pem().into_bytes());
        files.insert("tls.key", key.serialize_pem().into_bytes());
        files
    }

    /// The Secrets that the tenant names.
    pub fn secrets(&self) -> BTreeMap<&'static str, Files> {
        let mut staff = Files::default();
        staff.insert("ada", ADA.as_bytes().to_vec());
        BTreeMap::from([
            ("acme-tls", self.certificate("acme.test")),
            ("staff", staff),
        ])
    }

    /// A request of the machine for a token.
    pub fn machine(&mut self) -> Vec<(&'static str, String)> {
        let told = self.told();
        let mut all = told.body.applications.values();
        let machine = all.find(|of| of.at.to_string() == MACHINE).unwrap();
        let secret = Master::new(MASTER).client_secret(&machine.client, machine.secret_generation);
        vec![
            ("grant_type", "client_credentials".to_owned()),
            ("audience", crate::cluster::ORDERS.to_owned()),
            ("client_id", machine.client.to_string()),
            ("client_secret", secret.to_string()),
        ]
    }
}
