//! What a plan costs in large clusters. Nothing is signed here, so the keys are public numbers that nobody has the private
//! part of: 10,000 tenants' RSA keys would take a quarter of an hour to make.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::Criterion;
use mintage_core::jose::{Jwk, Material};
use mintage_core::plan::{Fleet, Input, KeyName, Plan, State, plan};
use mintage_core::world::{AllowedNamespaces, Audience, AudienceAlg, World};
use mintage_core::{Alg, Kid, UnixTime};

use crate::support::{NOW, audience, grant, name, namespace, tenant};

/// 10,000 APIs with three grants each in 1,000 namespaces: one tenant with 500 namespaces, five with 100.
fn many_audiences() -> World {
    let tenant_of = |n: usize| match n % 1000 {
        0..500 => "identity/big".to_owned(),
        rest => format!("identity/small-{}", rest / 100),
    };
    // Grants stay within the tenant.
    let grantee = |n: usize, step: usize| match n % 1000 {
        own @ 0..500 => (own + step) % 500,
        own => own / 100 * 100 + (own + step) % 100,
    };
    let mut world = World {
        tenants: ["big", "small-5", "small-6", "small-7", "small-8", "small-9"]
            .map(|of| tenant(&format!("identity/{of}"), &format!("{of}.test")))
            .into(),
        ..World::default()
    };
    for n in 0..1000 {
        let (at, mut info) = namespace(&format!("team-{n}"));
        let label = tenant_of(n).replace("identity/", "");
        info.labels = BTreeMap::from([(label, "yes".to_owned())]);
        world.namespaces.insert(at, info);
    }
    let audiences = (0..10_000).map(|n| Audience {
        alg: AudienceAlg::Asymmetric(Alg::ES256),
        scopes: vec![name("read:orders"), name("write:orders")],
        grants: [1, 7, 33]
            .map(|step| {
                let workload = format!("team-{}/app", grantee(n, step * (1 + n / 1000)));
                grant(&workload, "read:orders write:orders")
            })
            .into(),
        ..audience(
            &tenant_of(n),
            &format!("team-{}/api-{n}", n % 1000),
            &format!("https://api-{n}.example.com"),
        )
    });
    world.audiences = audiences.map(Into::into).collect();
    world
}

/// 10,000 tenants, each in a namespace of its own with one API that is granted there.
fn many_tenants() -> World {
    let mut world = World::default();
    for n in 0..10_000 {
        let (space, at) = (format!("team-{n}"), format!("team-{n}/tenant"));
        world.namespaces.extend([namespace(&space)]);
        world.tenants.push(mintage_core::world::Tenant {
            allowed: AllowedNamespaces::Same,
            ..tenant(&at, &format!("team-{n}.example.com"))
        });
        world.audiences.push(
            Audience {
                alg: AudienceAlg::Asymmetric(Alg::ES256),
                scopes: vec![name("read:orders")],
                grants: vec![grant(&format!("{space}/app"), "read:orders")],
                ..audience(
                    &at,
                    &format!("{space}/api"),
                    &format!("https://api-{n}.example.com"),
                )
            }
            .into(),
        );
    }
    world
}

/// A key with numbers of an RSA key's size.
fn key(number: usize, alg: Alg) -> Jwk {
    let mut bytes = [0xa5; 256];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    let material = if alg.is_rsa() {
        Material::Rsa {
            e: "AQAB".into(),
            n: URL_SAFE_NO_PAD.encode(bytes).into(),
        }
    } else {
        Material::Ec {
            crv: "P-256".into(),
            x: URL_SAFE_NO_PAD.encode(&bytes[..32]).into(),
            y: URL_SAFE_NO_PAD.encode(&bytes[32..64]).into(),
        }
    };
    Jwk::new(material, alg)
}

/// A world and what was planned of it.
struct Planned {
    world: World,
    state: State,
    private: BTreeSet<Kid>,
}

impl Planned {
    fn plan(&self, now: UnixTime, fresh: &BTreeMap<KeyName, Jwk>) -> Plan {
        let input = Input {
            world: &self.world,
            state: &self.state,
            fresh,
            brought: &BTreeMap::new(),
            private: &self.private,
            fleet: Fleet::UNKNOWN,
        };
        plan(now, input)
    }
}

pub fn scale(criterion: &mut Criterion) {
    for (what, world) in [
        ("10,000 audiences in 1,000 namespaces", many_audiences()),
        ("10,000 tenants", many_tenants()),
    ] {
        let mut group = criterion.benchmark_group(what);
        group.sample_size(10);
        let mut planned = Planned {
            world,
            state: State::default(),
            private: BTreeSet::new(),
        };
        let none = BTreeMap::new();
        group.bench_function("first plan", |b| {
            b.iter(|| planned.plan(NOW, black_box(&none)));
        });
        let wanted = planned.plan(NOW, &none).wanted.into_iter().enumerate();
        let fresh: BTreeMap<KeyName, Jwk> = wanted
            .map(|(number, name)| (name.clone(), key(number, name.1)))
            .collect();
        planned.private = fresh.values().map(|jwk| jwk.kid.clone()).collect();
        group.bench_function("first plan with its keys", |b| {
            b.iter(|| planned.plan(NOW, black_box(&fresh)));
        });
        planned.state = planned.plan(NOW, &fresh).state;
        group.bench_function("steady plan", |b| {
            b.iter(|| planned.plan(NOW + 60, black_box(&none)));
        });
        assert_eq!(planned.plan(NOW + 60, &none).state, planned.state);
        let state = &planned.state;
        group.bench_function("split the state", |b| b.iter(|| state.clone().split()));
        group.finish();
    }
}
