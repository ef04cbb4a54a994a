//! A folder for a sidecar, made by the planner that the operator uses.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use mintage_core::bundle::{self, Bundle, KeyringFile, PrivateEntry};
use mintage_core::jose::{Jwk, Pkcs8, PrivateKey};
use mintage_core::keyring::Owner;
use mintage_core::mint::Mint;
use mintage_core::plan::{Input, KeyName, State, plan};
use mintage_core::world::{
    AllowedNamespaces, Audience, AudienceAlg, Dialect, Grant, Grantee, Issuance, NamespaceInfo,
    Tenant, World,
};
use mintage_core::{
    Alg, Domain, Identifier, ObjectRef, Scope, TenantRef, Uid, UnixTime, WorkloadId,
};

/// The workload that everything is granted to, and whose namespace has every API.
pub const WORKLOAD: &str = "bench/load";

/// The API whose tokens the workload accepts, too.
pub const ACCEPTED: &str = "rs256-jti";

/// An audience and how its tokens are made.
#[derive(Clone, Copy)]
pub struct Api {
    pub name: &'static str,
    pub alg: Alg,
    pub dialect: Dialect,
}

/// The APIs that are measured.
pub const APIS: [Api; 5] = [
    Api {
        name: "rs256-auth0",
        alg: Alg::RS256,
        dialect: Dialect::Auth0,
    },
    Api {
        name: ACCEPTED,
        alg: Alg::RS256,
        dialect: Dialect::Rfc9068,
    },
    Api {
        name: "ps256-jti",
        alg: Alg::PS256,
        dialect: Dialect::Rfc9068,
    },
    Api {
        name: "es256-jti",
        alg: Alg::ES256,
        dialect: Dialect::Rfc9068,
    },
    Api {
        name: "eddsa-jti",
        alg: Alg::EdDSA,
        dialect: Dialect::Rfc9068,
    },
];

/// A planned namespace.
pub struct Fixture {
    bundle: Bundle,
    keyring: KeyringFile,
}

impl Fixture {
    /// Plans the measured APIs and `others` more, for which the workload holds grants, too.
    pub fn new(now: UnixTime, others: usize) -> Result<Self> {
        let measured = APIS
            .iter()
            .map(|api| audience(api.name, api.alg, api.dialect));
        let others = (0..others).map(|n| audience(&format!("api-{n}"), Alg::RS256, Dialect::Auth0));
        let world = world(measured.chain(others).collect::<Result<_>>()?)?;
        let state = State::default();
        let mut made: BTreeMap<KeyName, (Jwk, PrivateEntry)> = BTreeMap::new();
        let planned = loop {
            let fresh = made
                .iter()
                .map(|(name, (jwk, _))| (name.clone(), jwk.clone()))
                .collect();
            let private: BTreeSet<_> = made.values().map(|(jwk, _)| jwk.kid.clone()).collect();
            let planned = plan(
                now,
                Input {
                    world: &world,
                    state: &state,
                    fresh: &fresh,
                    private: &private,
                },
            );
            if planned.wanted.is_empty() {
                break planned;
            }
            for name in &planned.wanted {
                let pkcs8 = Pkcs8::generate(name.1)?;
                let jwk = PrivateKey::from_pkcs8(name.1, &pkcs8)?.jwk().clone();
                let entry = PrivateEntry {
                    kid: jwk.kid.clone(),
                    alg: name.1,
                    pkcs8,
                };
                made.insert(name.clone(), (jwk, entry));
            }
        };
        let workload = WorkloadId::parse(WORKLOAD)?;
        let tenant = TenantRef::parse("identity/acme")?;
        let owner = Owner::namespace(tenant.clone(), workload.namespace.clone());
        let bundle = planned
            .bundles
            .get(&(tenant, workload.namespace))
            .context("the plan has no bundle for the namespace")?
            .clone();
        let mut keyring = KeyringFile::new(owner.clone());
        keyring.keys = made
            .into_iter()
            .filter(|(name, _)| name.0 == owner)
            .map(|(_, (_, entry))| entry)
            .collect();
        Ok(Self { bundle, keyring })
    }

    /// Writes the folder.
    pub fn write(&self, dir: &Path) -> Result<()> {
        for (index, shard) in bundle::split(&self.bundle)?.iter().enumerate() {
            std::fs::write(dir.join(format!("bundle-{index}")), shard)?;
        }
        std::fs::write(dir.join("keyring.json"), &*self.keyring.to_bytes())?;
        Ok(())
    }

    /// The mint that the sidecar will have.
    pub fn mint(&self) -> Result<Mint> {
        let keyrings = std::slice::from_ref(&self.keyring);
        Ok(Mint::new(
            &self.bundle.body,
            WorkloadId::parse(WORKLOAD)?,
            None,
            keyrings,
        )?)
    }
}

/// The `aud` of an API.
pub fn identifier(name: &str) -> String {
    format!("https://{name}.example.com")
}

fn world(audiences: Vec<Audience>) -> Result<World> {
    let tenant = Tenant {
        allow_non_rsa: false,
        allowed: AllowedNamespaces::All,
        at: TenantRef::parse("identity/acme")?,
        created: UnixTime(0),
        default_audience: None,
        domain: Domain::parse("acme.example.com")?,
        max_bundle_age: 86_400,
        propagation_delay: 300,
        revoke_keys: BTreeSet::new(),
        rotate_request: None,
        rotation_period: 2_592_000,
        uid: Uid::parse("tenant")?,
    };
    let namespace = NamespaceInfo {
        labels: BTreeMap::new(),
        opted_in: true,
        uid: Uid::parse("namespace")?,
    };
    let namespaces = BTreeMap::from([(WorkloadId::parse(WORKLOAD)?.namespace, namespace)]);
    Ok(World {
        audiences,
        domains: Vec::new(),
        namespaces,
        tenants: vec![tenant],
    })
}

fn audience(name: &str, alg: Alg, dialect: Dialect) -> Result<Audience> {
    let scopes = vec![Scope::parse("read:orders")?, Scope::parse("write:orders")?];
    let grant = Grant {
        scopes: scopes.clone(),
        to: Grantee::Workload(WorkloadId::parse(WORKLOAD)?),
    };
    Ok(Audience {
        alg: AudienceAlg::Asymmetric(alg),
        at: ObjectRef::parse(&format!("bench/{name}"))?,
        created: UnixTime(0),
        dialect,
        grants: vec![grant],
        identifier: Identifier::parse(&identifier(name))?,
        issuance: Issuance::Local,
        lifetime: 86_400,
        revoke_now: false,
        scopes,
        tenant: TenantRef::parse("identity/acme")?,
        uid: Uid::parse(name)?,
    })
}
