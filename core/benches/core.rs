//! What the hot path and the planner cost, without HTTP. `cargo xtask bench` runs these and then the sidecar.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use mintage_core::bundle::{self, KeyringFile, PrivateEntry};
use mintage_core::jose::{Jwk, Pkcs8, PrivateKey, PublicKey};
use mintage_core::keyring::Owner;
use mintage_core::mint::Mint;
use mintage_core::plan::{Input, KeyName, Plan, State, plan};
use mintage_core::policy::Request;
use mintage_core::verify::{Expected, Verifier, accepted};
use mintage_core::world::World;
use mintage_core::{Alg, TenantRef, UnixTime, WorkloadId};

#[path = "../tests/support/mod.rs"]
#[expect(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    reason = "the tests use all of it, and may unwrap"
)]
mod support;

use support as world;

/// A Monday.
const NOW: UnixTime = UnixTime(1_800_000_000);

type Made = BTreeMap<KeyName, (Jwk, PrivateEntry)>;

/// A world of 1,000 audiences in 100 namespaces under one tenant, each granted to a workload of the next namespace.
fn large_world() -> World {
    let mut large = World {
        tenants: vec![world::tenant("identity/acme", "acme.example.com")],
        ..World::default()
    };
    large.namespaces = (0..100)
        .map(|n| world::namespace(&format!("team-{n}")))
        .collect();
    for n in 0..1000 {
        let at = format!("team-{}/api-{n}", n % 100);
        let mut audience = world::audience(
            "identity/acme",
            &at,
            &format!("https://api-{n}.example.com"),
        );
        let workload = format!("team-{}/app", (n + 1) % 100);
        audience.grants = vec![world::grant(&workload, "read:orders")];
        audience.alg = mintage_core::world::AudienceAlg::Asymmetric(Alg::EdDSA);
        large.audiences.push(audience);
    }
    large
}

fn planned(world: &World) -> (Plan, Made) {
    let mut made = Made::new();
    loop {
        let plan = plan_with(world, &State::default(), &made);
        if plan.wanted.is_empty() {
            return (plan, made);
        }
        for name in plan.wanted {
            let pkcs8 = Pkcs8::generate(name.1).expect("a key");
            let jwk = PrivateKey::from_pkcs8(name.1, &pkcs8)
                .expect("a key")
                .jwk()
                .clone();
            let entry = PrivateEntry {
                kid: jwk.kid.clone(),
                alg: name.1,
                pkcs8,
            };
            made.insert(name, (jwk, entry));
        }
    }
}

fn plan_with(world: &World, state: &State, made: &Made) -> Plan {
    let fresh = made
        .iter()
        .map(|(name, (jwk, _))| (name.clone(), jwk.clone()))
        .collect();
    let private: BTreeSet<_> = made.values().map(|(jwk, _)| jwk.kid.clone()).collect();
    plan(
        NOW,
        Input {
            world,
            state,
            fresh: &fresh,
            private: &private,
        },
    )
}

fn keys(criterion: &mut Criterion) {
    for alg in Alg::ALL {
        let private =
            PrivateKey::from_pkcs8(alg, &Pkcs8::generate(alg).expect("a key")).expect("a key");
        let public = PublicKey::from_jwk(private.jwk()).expect("a key");
        let message = [b'a'; 420];
        let signature = private.sign(&message).expect("a signature");
        criterion.bench_function(&format!("bare sign {alg}"), |b| {
            b.iter(|| private.sign(black_box(&message)));
        });
        criterion.bench_function(&format!("bare verify {alg}"), |b| {
            b.iter(|| public.verifies(black_box(&message), &signature));
        });
    }
}

fn tokens(criterion: &mut Criterion) {
    let world = world::standard();
    let (plan, made) = planned(&world);
    let tenant = TenantRef::parse("identity/acme").expect("a tenant");
    let caller = WorkloadId::parse("shop/checkout").expect("a workload");
    let owner = Owner::namespace(tenant.clone(), caller.namespace.clone());
    let mut keyring = KeyringFile::new(owner.clone());
    keyring.keys = made
        .into_iter()
        .filter(|(name, _)| name.0 == owner)
        .map(|(_, (_, entry))| entry)
        .collect();
    let bundle =
        |namespace: &str| &plan.bundles[&(tenant.clone(), namespace.parse().expect("a namespace"))];
    let mint = Mint::new(&bundle("shop").body, caller, None, &[keyring]).expect("a mint");

    for (audience, terms, _) in mint.policy().offers(NOW) {
        let request = Request {
            audience: Some(audience.as_str()),
            scope: None,
        };
        let Ok(order) = mint.order(NOW, request) else {
            continue;
        };
        let name = format!("{} {:?}", terms.alg, terms.dialect);
        criterion.bench_function(&format!("decide and order, {name}"), |b| {
            b.iter(|| mint.order(NOW, black_box(request)));
        });
        criterion.bench_function(&format!("sign a token, {name}"), |b| {
            b.iter(|| mint.sign(&order, [7; 16]));
        });
        let token = mint.sign(&order, [7; 16]).expect("a token");
        let Some(api) = world
            .audiences
            .iter()
            .find(|api| api.identifier == *audience)
        else {
            continue;
        };
        let body = &bundle(api.at.namespace.as_str()).body;
        let verifier = Verifier::new(body).expect("a verifier");
        let accepted = accepted(body, std::slice::from_ref(&api.at.name)).expect("an audience");
        criterion.bench_function(&format!("authenticate, {name}"), |b| {
            b.iter(|| verifier.authenticate(black_box(&token), NOW));
        });
        let authentic = verifier.authenticate(&token, NOW).expect("a good token");
        criterion.bench_function(&format!("judge, {name}"), |b| {
            b.iter(|| {
                verifier
                    .judge(black_box(&authentic), Expected::Apis(&accepted), NOW)
                    .is_ok()
            });
        });
    }
}

fn plans(criterion: &mut Criterion) {
    let world = large_world();
    let (first, made) = planned(&world);
    let mut group = criterion.benchmark_group("1,000 audiences, 100 namespaces");
    group.sample_size(10);
    group.bench_function("plan again", |b| {
        b.iter(|| plan_with(black_box(&world), &first.state, &made));
    });
    let bundle = first.bundles.values().next().expect("a bundle");
    group.bench_function("split a bundle", |b| {
        b.iter(|| bundle::split(black_box(bundle)));
    });
    let shards = bundle::split(bundle).expect("shards");
    let shards: Vec<Option<&[u8]>> = shards.iter().map(|shard| Some(shard.as_slice())).collect();
    group.bench_function("join a bundle", |b| {
        b.iter(|| bundle::join(black_box(&shards)));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1))
        .without_plots();
    targets = keys, tokens, plans
}
criterion_main!(benches);
