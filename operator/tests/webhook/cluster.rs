//! A cluster as the watches show it, and pods as an API server sends them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::str::FromStr;
use std::sync::Arc;

use mintage_core::UnixTime;
use mintage_core::world::{
    AllowedNamespaces, Audience, AudienceAlg, CustomDomain, Dialect, EndpointWishes, Issuance,
    LabelSelector, NamespaceInfo, SessionRules, Tenant, Theme, World,
};
use mintage_operator::inject::{Injection, Outcome, Refusal, Settings, inject};
use mintage_operator::snapshot::Snapshot;
use serde_json::{Value, json};

pub const NOW: UnixTime = UnixTime(1_795_000_000);

pub fn name<T: FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

/// - `shop`, `orders`: enabled, under tenant identity/acme;
/// - `plain`: under it, and not enabled; `lonely`: enabled, and under no tenant;
/// - `both`: enabled, under identity/acme and identity/globex; `named`: so, too, and names globex;
/// - `odd`: enabled, and its annotation cannot be read.
pub fn snapshot() -> Snapshot {
    let mut world = World::default();
    let mut of_namespaces = BTreeMap::new();
    for (namespace, labels) in [
        (
            "both",
            &[
                ("mintage.dev/injection", "enabled"),
                ("acme", "yes"),
                ("globex", "yes"),
            ][..],
        ),
        ("lonely", &[("mintage.dev/injection", "enabled")]),
        (
            "named",
            &[
                ("mintage.dev/injection", "enabled"),
                ("acme", "yes"),
                ("globex", "yes"),
            ],
        ),
        (
            "odd",
            &[("mintage.dev/injection", "enabled"), ("acme", "yes")],
        ),
        (
            "orders",
            &[("mintage.dev/injection", "enabled"), ("acme", "yes")],
        ),
        ("plain", &[("acme", "yes")]),
        (
            "shop",
            &[("mintage.dev/injection", "enabled"), ("acme", "yes")],
        ),
    ] {
        let labels = labels.iter();
        let labels = labels.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let info = NamespaceInfo {
            labels: labels.collect(),
            opted_in: true,
            uid: name(&format!("uid-{namespace}")),
        };
        world.namespaces.insert(name(namespace), info);
    }
    of_namespaces.insert(name("named"), Ok(name("identity/globex")));
    of_namespaces.insert(
        name("odd"),
        Err("annotation mintage.dev/tenant: no".to_owned()),
    );
    world.tenants = vec![
        tenant("identity/acme", "acme.test"),
        tenant("identity/globex", "globex.test"),
    ];
    world.domains = vec![
        domain("login", "login.acme.test", true),
        domain("new", "new.acme.test", false),
    ];
    world.audiences = vec![audience("orders/orders").into()];
    Snapshot {
        namespace_tenants: Arc::new(of_namespaces),
        world: Arc::new(world),
        ..Snapshot::default()
    }
}

fn tenant(at: &str, domain: &str) -> Tenant {
    let label = at.split_once('/').unwrap().1.to_owned();
    let selector = LabelSelector {
        match_labels: BTreeMap::from([(label, "yes".to_owned())]),
        requirements: Vec::new(),
    };
    Tenant {
        allow_non_rsa: false,
        allowed: AllowedNamespaces::Selector(selector),
        at: name(at),
        created: NOW,
        default_audience: None,
        deleting: false,
        domain: name(domain),
        endpoint: None,
        key_secret: None,
        release_claims: BTreeSet::new(),
        max_bundle_age: 86_400,
        propagation_delay: 300,
        revoke_keys: BTreeSet::new(),
        rotate_request: None,
        rotation_period: 30 * 86_400,
        uid: name(&format!("uid-{domain}")),
        unreadable: Vec::new(),
    }
}

/// What a tenant that has an endpoint says of it.
pub fn endpoint() -> EndpointWishes {
    EndpointWishes {
        name: None,
        connections: Vec::new(),
        theme: Theme::default(),
        session: SessionRules {
            idle: 60,
            lifetime: 60,
        },
        certificate: None,
        authorities: None,
        trusted_proxies: Vec::new(),
    }
}

pub fn domain(at: &str, domain: &str, verified: bool) -> CustomDomain {
    CustomDomain {
        certificate: None,
        at: name(&format!("identity/{at}")),
        created: NOW,
        domain: name(domain),
        tenant: name("identity/acme"),
        uid: name(&format!("uid-{domain}")),
        verified,
    }
}

fn audience(at: &str) -> Audience {
    Audience {
        about: None,
        alg: AudienceAlg::Asymmetric(mintage_core::Alg::RS256),
        at: name(at),
        created: NOW,
        dialect: Dialect::Auth0,
        grants: Vec::new(),
        identifier: name("https://orders.test"),
        issuance: Issuance::Local,
        lifetime: 86_400,
        revoke_now: false,
        scopes: Vec::new(),
        tenant: name("identity/acme"),
        uid: name("uid-orders"),
        users: mintage_core::world::UserRules::default(),
    }
}

/// A Deployment's pod, with changes laid over it as by a merge patch.
pub fn pod(changes: Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "generateName": "checkout-7d9f-", "labels": { "app": "checkout" } },
        "spec": {
            "serviceAccountName": "checkout",
            "containers": [{ "name": "app", "image": "app:1", "command": ["/app"] }],
        },
    });
    json_patch::merge(&mut pod, &changes);
    pod
}

/// What becomes of a pod of namespace `shop`.
pub fn of_shop(changes: Value) -> Outcome {
    inject(
        &snapshot(),
        &name("shop"),
        &pod(changes),
        &Settings::default(),
    )
}

pub fn injected(outcome: Outcome) -> Injection {
    match outcome {
        Outcome::Injected(injection) => *injection,
        other => panic!("{other:?}"),
    }
}

pub fn refused(outcome: Outcome) -> Refusal {
    match outcome {
        Outcome::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

/// A container or volume by its name.
pub fn named<'a>(items: &'a Value, name: &str) -> &'a Value {
    let mut items = items.as_array().unwrap().iter();
    items.find(|item| item["name"] == name).unwrap()
}

/// The environment of a container: names and plain values.
pub fn env(container: &Value) -> BTreeMap<String, String> {
    let variables = container["env"].as_array().unwrap().iter();
    variables
        .filter_map(|one| {
            let value = one["value"].as_str()?;
            Some((one["name"].as_str().unwrap().to_owned(), value.to_owned()))
        })
        .collect()
}

/// The world, to be changed.
pub fn world(snapshot: &mut Snapshot) -> &mut World {
    Arc::make_mut(&mut snapshot.world)
}
