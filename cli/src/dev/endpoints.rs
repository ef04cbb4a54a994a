//! The tenants' endpoints, for users and applications: what each is made from, and what applications need to know.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use mintage_core::bundle::KeyringFile;
use mintage_core::endpoint::{Api, Config, Master};
use mintage_core::keyring::Owner;
use mintage_core::plan::Plan;
use mintage_core::world::{AudienceAlg, ClientAuth};
use mintage_core::{Domain, Namespace, ObjectName, TenantRef, UnixTime};
use mintage_crds::Manifests;
use mintage_sidecar::clock;
use mintage_sidecar::endpoint::{Made, Realm};
use serde_json::json;

use super::engine::Engine;
use super::folder;
use super::store::Store;
use crate::complaint;

/// The endpoints by domain, and what is wrong with them.
pub struct Endpoints {
    /// By each domain of a tenant that has one.
    pub realms: BTreeMap<Domain, Arc<Realm>>,
    /// In words, with the mend, and where it is written.
    pub complaints: Vec<String>,
}

/// Makes the endpoint of each tenant that has one.
pub fn make(
    engine: &Engine,
    manifests: &Manifests,
    plan: &Plan,
    now: UnixTime,
) -> Result<Endpoints> {
    let mut endpoints = Endpoints {
        realms: BTreeMap::new(),
        complaints: Vec::new(),
    };
    for (tenant, told) in &plan.endpoints {
        let config = &told.body;
        let master = master(engine.store(), config)?;
        for application in config.applications.values() {
            write_client(engine.store(), config, application, &master)?;
        }
        for api in config.apis.values() {
            if api.alg == AudienceAlg::Hs256 {
                write_api(engine.store(), config, api, &master)?;
            }
        }
        let owner = Owner::tenant(tenant.clone());
        let none = KeyringFile::new(owner.clone());
        let keyring = engine.keyring(&owner).unwrap_or(&none);
        let secrets = |name: &ObjectName| folder::secret(manifests, &tenant.namespace, name);
        let Made { realm, complaints } = Realm::make(told.clone(), master, keyring, secrets)
            .with_context(|| format!("the endpoint of tenant {tenant}"))?;
        let complaints = complaints.iter();
        let told = complaints.filter_map(|it| complaint::tell(manifests, tenant, it));
        let told = told.map(|told| format!("{}   ({})", told.text, told.place.at));
        endpoints.complaints.extend(told);
        let realm = Arc::new(realm);
        let used = config.domains.iter().filter(|(_, term)| term.is_used(now));
        let by_domain = used.map(|(domain, _)| (domain.clone(), Arc::clone(&realm)));
        endpoints.realms.extend(by_domain);
    }
    Ok(endpoints)
}

/// The master secret of a tenant: made once, and kept for one life of it.
fn master(store: &Store, config: &Config) -> Result<Master> {
    let path = file_of(&config.tenant);
    if let Some(kept) = store.read(&path)? {
        return serde_json::from_slice(&kept).with_context(|| {
            format!("{path} in the state folder is damaged; delete it to make a new secret (sessions end, and applications get another client_secret)")
        });
    }
    let random = clock::random().context("this machine has no random numbers")?;
    let master = Master::new(random);
    store.write(&path, &serde_json::to_vec(&master)?, 0o600)?;
    Ok(master)
}

fn file_of(tenant: &TenantRef) -> String {
    format!("endpoints/{}.{}.json", tenant.namespace, tenant.name)
}

/// Where an application finds what it is set up with, below the state folder: as its Secret in a cluster.
pub fn client_file(namespace: &Namespace, name: &ObjectName) -> String {
    format!("clients/{namespace}.{name}.env")
}

fn write_client(
    store: &Store,
    config: &Config,
    application: &mintage_core::endpoint::Application,
    master: &Master,
) -> Result<()> {
    let issuer = config.domain.issuer();
    let mut lines = format!(
        "CLIENT_ID={}\nISSUER_BASE_URL={issuer}\n",
        application.client
    );
    if application.auth != ClientAuth::None {
        let secret = master.client_secret(&application.client, application.secret_generation);
        writeln!(lines, "CLIENT_SECRET={}", *secret)?;
    }
    let path = client_file(&application.at.namespace, &application.at.name);
    keep(store, &path, &lines)
}

/// Where an API finds the secret of its tokens, if they are signed with one.
fn write_api(store: &Store, config: &Config, api: &Api, master: &Master) -> Result<()> {
    let path = format!("apis/{}.{}.env", api.at.namespace, api.at.name);
    let lines = format!(
        "AUDIENCE={}\nISSUER_BASE_URL={}\nSIGNING_SECRET={}\n",
        api.identifier,
        config.domain.issuer(),
        *master.api_secret(api)
    );
    keep(store, &path, &lines)
}

/// Writes a file if it says something else.
fn keep(store: &Store, path: &str, text: &str) -> Result<()> {
    if store.read(path)?.as_deref() != Some(text.as_bytes()) {
        store.write(path, text.as_bytes(), 0o600)?;
    }
    Ok(())
}

/// The applications, as scripts want to know them.
pub fn described(plan: &Plan) -> serde_json::Value {
    let all = plan.endpoints.values().map(|told| &told.body);
    let all = all.flat_map(|config| {
        config.applications.values().map(|application| {
            json!({
                "application": application.at,
                "client_id": application.client,
                "issuer": config.domain.issuer(),
                "file": client_file(&application.at.namespace, &application.at.name),
            })
        })
    });
    all.collect()
}
