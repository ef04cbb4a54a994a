//! A folder for a sidecar, made by the planner that the operator uses.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context as _, Result};
use mintage_core::bundle::{self, Bundle, KeyringFile, PrivateEntry};
use mintage_core::jose::{Jwk, Pkcs8, PrivateKey};
use mintage_core::keyring::Owner;
use mintage_core::mint::Mint;
use mintage_core::plan::{Fleet, Input, KeyName, Plan, State, plan};
use mintage_core::world::{
    AllowedNamespaces, Audience, AudienceAlg, Dialect, Grant, Grantee, Issuance, NamespaceInfo,
    Tenant, World,
};
use mintage_core::{
    Alg, Domain, Identifier, ObjectRef, Scope, Seconds, TenantRef, Uid, UnixTime, WorkloadId,
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

/// A planned namespace, which can be planned again.
pub struct Fixture {
    world: World,
    state: State,
    bundle: Bundle,
    made: Vec<(Owner, PrivateEntry)>,
}

/// How long tokens live, and how long before it signs a key is published.
#[derive(Clone, Copy)]
struct Times {
    lifetime: Seconds,
    propagation_delay: Seconds,
}

impl Fixture {
    /// Plans the measured APIs and `others` more, for which the workload holds grants, too.
    pub fn new(now: UnixTime, others: usize) -> Result<Self> {
        let times = Times {
            lifetime: 86_400,
            propagation_delay: 300,
        };
        Self::of(now, others, times)
    }

    /// Plans the measured APIs with the shortest times: an hour of rotations then takes minutes.
    pub fn short_lived(now: UnixTime) -> Result<Self> {
        let times = Times {
            lifetime: 60,
            propagation_delay: 2,
        };
        Self::of(now, 0, times)
    }

    fn of(now: UnixTime, others: usize, times: Times) -> Result<Self> {
        let measured = APIS
            .iter()
            .map(|api| audience(api.name, api.alg, api.dialect, times.lifetime));
        let others = (0..others).map(|n| {
            let name = format!("api-{n}");
            audience(&name, Alg::RS256, Dialect::Auth0, times.lifetime)
        });
        let audiences = measured.chain(others).collect::<Result<_>>()?;
        let world = world(audiences, times.propagation_delay)?;
        let mut made = Vec::new();
        let planned = settle(now, &world, &State::default(), &mut made)?;
        Ok(Self {
            bundle: own_bundle(&planned)?,
            state: planned.state,
            world,
            made,
        })
    }

    /// Plans again, after a request to rotate all keys if one is named.
    pub fn plan_again(&mut self, now: UnixTime, rotate: Option<String>) -> Result<()> {
        if rotate.is_some() {
            self.world.tenants[0].rotate_request = rotate;
        }
        let planned = settle(now, &self.world, &self.state, &mut self.made)?;
        self.bundle = own_bundle(&planned)?;
        self.state = planned.state;
        Ok(())
    }

    fn keyring(&self) -> Result<KeyringFile> {
        let own = Owner::namespace(tenant()?, WorkloadId::parse(WORKLOAD)?.namespace);
        let known: BTreeSet<_> = self
            .bundle
            .body
            .keys
            .iter()
            .map(|trusted| trusted.key.kid())
            .collect();
        let mut keyring = KeyringFile::new(own);
        keyring.keys = self
            .made
            .iter()
            .filter(|(owner, entry)| *owner == keyring.owner && known.contains(&entry.kid))
            .map(|(_, entry)| entry.clone())
            .collect();
        Ok(keyring)
    }

    /// Writes the folder.
    pub fn write(&self, dir: &Path) -> Result<()> {
        for (index, shard) in bundle::split(&self.bundle)?.iter().enumerate() {
            std::fs::write(dir.join(format!("bundle-{index}")), shard)?;
        }
        std::fs::write(dir.join("keyring.json"), &*self.keyring()?.to_bytes())?;
        Ok(())
    }

    /// Writes the folder as kubelet does: a new folder beside the old one, and one link swapped.
    pub fn mount(&self, dir: &Path, number: usize) -> Result<()> {
        let (data, next) = (dir.join("..data"), dir.join("..data_tmp"));
        let before = std::fs::read_link(&data).ok();
        let version = format!("..{number}");
        std::fs::create_dir(dir.join(&version))?;
        self.write(&dir.join(&version))?;
        symlink(&version, &next)?;
        std::fs::rename(&next, &data)?;
        for entry in std::fs::read_dir(&data)? {
            let name = entry?.file_name();
            if !dir.join(&name).is_symlink() {
                symlink(Path::new("..data").join(&name), dir.join(&name))?;
            }
        }
        if let Some(before) = before {
            std::fs::remove_dir_all(dir.join(before))?;
        }
        Ok(())
    }

    /// The mint that the sidecar will have.
    pub fn mint(&self) -> Result<Mint> {
        Ok(Mint::new(
            &self.bundle.body,
            WorkloadId::parse(WORKLOAD)?,
            None,
            &[self.keyring()?],
        )?)
    }
}

/// Plans until every key that is wanted has been made.
pub(super) fn settle(
    now: UnixTime,
    world: &World,
    state: &State,
    made: &mut Vec<(Owner, PrivateEntry)>,
) -> Result<Plan> {
    let mut fresh: BTreeMap<KeyName, Jwk> = BTreeMap::new();
    loop {
        let private: BTreeSet<_> = made.iter().map(|(_, entry)| entry.kid.clone()).collect();
        let planned = plan(
            now,
            Input {
                world,
                state,
                fresh: &fresh,
                brought: &BTreeMap::new(),
                private: &private,
                fleet: Fleet::UNKNOWN,
            },
        );
        if planned.wanted.is_empty() {
            return Ok(planned);
        }
        for name in &planned.wanted {
            let (owner, alg) = name;
            let pkcs8 = Pkcs8::generate(*alg)?;
            let jwk = PrivateKey::from_pkcs8(*alg, &pkcs8)?.jwk().clone();
            let entry = PrivateEntry {
                kid: jwk.kid.clone(),
                alg: *alg,
                pkcs8,
            };
            made.push((owner.clone(), entry));
            fresh.insert(name.clone(), jwk);
        }
    }
}

fn own_bundle(planned: &Plan) -> Result<Bundle> {
    let place = (tenant()?, WorkloadId::parse(WORKLOAD)?.namespace);
    let bundle = planned.bundles.get(&place);
    Ok(bundle
        .context("the plan has no bundle for the namespace")?
        .clone())
}

/// The tenant.
pub(super) fn tenant() -> Result<TenantRef> {
    Ok(TenantRef::parse("identity/acme")?)
}

/// The `aud` of an API.
pub fn identifier(name: &str) -> String {
    format!("https://{name}.example.com")
}

/// A tenant without an endpoint, and one namespace, in which the APIs are.
pub(super) fn world(audiences: Vec<Audience>, propagation_delay: Seconds) -> Result<World> {
    let tenant = Tenant {
        allow_non_rsa: false,
        allowed: AllowedNamespaces::All,
        at: tenant()?,
        created: UnixTime(0),
        default_audience: None,
        deleting: false,
        domain: Domain::parse("acme.example.com")?,
        endpoint: None,
        key_secret: None,
        max_bundle_age: 86_400,
        propagation_delay,
        release_claims: BTreeSet::new(),
        revoke_keys: BTreeSet::new(),
        rotate_request: None,
        rotation_period: 2_592_000,
        uid: Uid::parse("tenant")?,
        unreadable: Vec::new(),
    };
    let namespace = NamespaceInfo {
        labels: BTreeMap::new(),
        opted_in: true,
        uid: Uid::parse("namespace")?,
    };
    let namespaces = BTreeMap::from([(WorkloadId::parse(WORKLOAD)?.namespace, namespace)]);
    Ok(World {
        applications: Vec::new(),
        audiences: audiences.into_iter().map(Into::into).collect(),
        domains: Vec::new(),
        namespaces,
        tenants: vec![tenant],
    })
}

/// An API with two scopes, both granted to [`WORKLOAD`].
pub(super) fn audience(
    name: &str,
    alg: Alg,
    dialect: Dialect,
    lifetime: Seconds,
) -> Result<Audience> {
    let scopes = vec![Scope::parse("read:orders")?, Scope::parse("write:orders")?];
    let grant = Grant {
        scopes: scopes.clone(),
        to: Grantee::Workload(WorkloadId::parse(WORKLOAD)?),
    };
    Ok(Audience {
        about: None,
        alg: AudienceAlg::Asymmetric(alg),
        at: ObjectRef::parse(&format!("bench/{name}"))?,
        created: UnixTime(0),
        dialect,
        grants: vec![grant],
        identifier: Identifier::parse(&identifier(name))?,
        issuance: Issuance::Local,
        lifetime,
        revoke_now: false,
        scopes,
        tenant: tenant()?,
        uid: Uid::parse(name)?,
        users: mintage_core::world::UserRules::default(),
    })
}
