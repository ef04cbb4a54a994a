//! A tenant with an endpoint, as files for the role `endpoint`: planned by the planner that the operator uses.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use mintage_core::bundle::{KeyringFile, split};
use mintage_core::endpoint::{Config, Master, MasterFile};
use mintage_core::keyring::Owner;
use mintage_core::plan::State;
use mintage_core::world::{
    Application, ApplicationKind, ClientAuth, Connection, Dialect, EndpointWishes, Grant,
    GrantType, Grantee, NamespaceInfo, RefreshRules, SecretRules, SessionRules, Source, Theme,
    UserRules, World,
};
use mintage_core::{Alg, Domain, ObjectName, ObjectRef, Scope, Uid, UnixTime};
use serde_json::json;

use super::super::fixture::{audience, settle, tenant, world};
use super::super::tls::HOST;
use super::browser::Person;
use super::servers::{Client, REDIRECT};

/// So many that none has more than a few refresh tokens: beginning one looks at the others of its user and application.
const USERS: usize = 1000;

const PASSWORD: &str = "correct horse";

/// Of [`PASSWORD`]: argon2id with 8 KiB and one pass, since signing in is not measured.
const HASH: &str =
    "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$t5QLzMlfSPLMezb1X/hRw1bKTTpryM1JhqBpLyqseOw";

const MASTER: [u8; 32] = [9; 32];
const MACHINE: &str = "identity/machine";
const WEB: &str = "identity/web";

/// The name of the API.
pub const API: &str = "orders";

/// What clients of the written files have to know.
pub struct Written {
    /// Acts for itself.
    pub machine: Client,
    /// Acts for users.
    pub web: Client,
}

/// Writes `told` and `secrets` into a folder.
pub fn write(dir: &Path, now: UnixTime) -> Result<Written> {
    // Keys are a minute old by now.
    let now = now - 60;
    let world = wanted()?;
    let mut made = Vec::new();
    let mut planned = settle(now, &world, &State::default(), &mut made)?;
    let at = tenant()?;
    let stamped = planned.endpoints.remove(&at);
    let stamped = stamped.context("the plan has no endpoint")?;

    let told = dir.join("told");
    fs::create_dir(&told)?;
    for (index, shard) in split(&stamped)?.iter().enumerate() {
        fs::write(told.join(format!("endpoint-{index}")), shard)?;
    }
    let file = MasterFile {
        tenant_uid: stamped.body.tenant_uid.clone(),
        master: Master::new(MASTER),
    };
    fs::write(told.join("master.json"), &*file.to_bytes())?;
    let mut keyring = KeyringFile::new(Owner::tenant(at));
    let own = made.into_iter().filter(|(of, _)| *of == keyring.owner);
    keyring.keys = own.map(|(_, entry)| entry).collect();
    fs::write(told.join("tenant-keyring.json"), &*keyring.to_bytes())?;

    let staff = dir.join("secrets/staff");
    fs::create_dir_all(&staff)?;
    for person in people() {
        let email = format!("{}@example.com", person.name);
        let user = json!({ "password_hash": HASH, "profile": { "email": email } });
        fs::write(staff.join(&person.name), user.to_string())?;
    }
    Ok(Written {
        machine: client(&stamped.body, MACHINE)?,
        web: client(&stamped.body, WEB)?,
    })
}

/// The users.
pub fn people() -> impl Iterator<Item = Person> {
    (0..USERS).map(|number| Person {
        name: format!("user-{number}"),
        password: PASSWORD,
    })
}

fn client(config: &Config, at: &str) -> Result<Client> {
    let mut all = config.applications.values();
    let found = all.find(|application| application.at.to_string() == at);
    let found = found.with_context(|| format!("the plan has no application {at}"))?;
    let secret = Master::new(MASTER).client_secret(&found.client, found.secret_generation);
    Ok(Client {
        id: found.client.to_string(),
        secret: secret.to_string(),
    })
}

fn wanted() -> Result<World> {
    let mut api = audience(API, Alg::RS256, Dialect::Rfc9068, 86_400)?;
    api.grants = vec![Grant {
        scopes: vec![Scope::parse("read:orders")?],
        to: Grantee::Application(ObjectRef::parse(MACHINE)?),
    }];
    api.users = UserRules {
        offline_access: true,
        rbac: false,
        skip_consent: true,
    };
    let mut world = world(vec![api], 300)?;
    let staff = ObjectName::parse("staff")?;
    let of_tenant = &mut world.tenants[0];
    of_tenant.domain = Domain::parse(HOST)?;
    of_tenant.endpoint = Some(Arc::new(EndpointWishes {
        name: None,
        connections: vec![Connection {
            name: staff.clone(),
            label: None,
            source: Source::Users { secret: staff },
        }],
        theme: Theme::default(),
        session: SessionRules {
            idle: 3 * 86_400,
            lifetime: 7 * 86_400,
        },
        authorities: None,
        certificate: Some(ObjectName::parse("tls")?),
        trusted_proxies: Vec::new(),
    }));
    let of_its_namespace = NamespaceInfo {
        labels: BTreeMap::new(),
        opted_in: false,
        uid: Uid::parse("identity")?,
    };
    let namespace = of_tenant.at.namespace.clone();
    world.namespaces.insert(namespace, of_its_namespace);
    world.applications = vec![
        application(
            MACHINE,
            ApplicationKind::Machine,
            BTreeSet::from([GrantType::ClientCredentials]),
        )?,
        application(
            WEB,
            ApplicationKind::Web,
            BTreeSet::from([GrantType::AuthorizationCode, GrantType::RefreshToken]),
        )?,
    ];
    Ok(world)
}

fn application(
    at: &str,
    kind: ApplicationKind,
    grant_types: BTreeSet<GrantType>,
) -> Result<Application> {
    let comes_back = kind == ApplicationKind::Web;
    Ok(Application {
        at: ObjectRef::parse(at)?,
        auth: ClientAuth::Post,
        first_party: true,
        grant_types,
        kind,
        logout_uris: Vec::new(),
        name: None,
        redirect_uris: comes_back
            .then(|| REDIRECT.to_owned())
            .into_iter()
            .collect(),
        refresh: RefreshRules {
            idle: 1_296_000,
            leeway: 0,
            lifetime: 2_592_000,
            rotates: true,
        },
        secret: SecretRules {
            accept_previous: 86_400,
            generation: 1,
        },
        tenant: tenant()?,
        uid: Uid::parse(&at.replace('/', "-"))?,
        web_origins: Vec::new(),
    })
}
