//! What the hot path and the planner cost, without HTTP. `cargo xtask bench` runs these and then the sidecar.
//!
//! The world and the clock are fixed; keys are new in each run, since aws-lc takes no randomness from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use mintage_core::policy::Request;
use mintage_core::verify::Expected;
use mintage_core::world::{Audience, AudienceAlg, Dialect, World};
use mintage_core::{Alg, bundle};

mod limits;
mod scale;
#[path = "../tests/support/mod.rs"]
#[expect(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    reason = "the tests use all of it, and may unwrap"
)]
mod support;

use support::{ACME, Cluster, NOW, audience, grant, name, namespace, tenant};

/// The usual world, and an API for each algorithm in each dialect.
fn every_kind() -> World {
    let mut world = support::standard();
    let kinds =
        Alg::ALL.map(|alg| [Dialect::Auth0, Dialect::Rfc9068].map(|dialect| (alg, dialect)));
    for (alg, dialect) in kinds.into_iter().flatten() {
        let text = format!("{alg}-{dialect:?}").to_lowercase();
        world.audiences.push(
            Audience {
                alg: AudienceAlg::Asymmetric(alg),
                dialect,
                scopes: vec![name("read:orders"), name("write:orders")],
                grants: vec![grant("shop/checkout", "read:orders write:orders")],
                ..audience(
                    ACME,
                    &format!("orders/{text}"),
                    &format!("https://{text}.test"),
                )
            }
            .into(),
        );
    }
    world
}

fn tokens(criterion: &mut Criterion) {
    let cluster = Cluster::new(every_kind());
    let mint = cluster.mint(ACME, "shop/checkout");
    let verifier = cluster.verifier(ACME, "orders");
    for alg in Alg::ALL {
        for dialect in [Dialect::Auth0, Dialect::Rfc9068] {
            let kind = format!("{alg} {dialect:?}");
            let identifier = format!("https://{alg}-{dialect:?}.test").to_lowercase();
            let make = || {
                let request = Request {
                    audience: Some(&identifier),
                    scope: Some("read:orders"),
                };
                let order = mint.order(NOW, black_box(request)).expect("an order");
                mint.sign(&order, [7; 16]).expect("a token")
            };
            criterion.bench_function(&format!("order and sign {kind}"), |b| b.iter(make));
            let token = make();
            criterion.bench_function(&format!("authenticate {kind}"), |b| {
                b.iter(|| verifier.authenticate(black_box(&token), NOW).expect("good"));
            });
        }
    }

    let request = Request {
        audience: Some(support::ORDERS),
        scope: Some("read:orders"),
    };
    criterion.bench_function("decide", |b| {
        b.iter(|| {
            mint.policy()
                .decide(NOW, black_box(request))
                .expect("granted")
        });
    });
    let token = cluster.token(ACME, "shop/checkout", support::ORDERS);
    let authentic = verifier.authenticate(&token, NOW).expect("a good token");
    let accepted = BTreeSet::from([name(support::ORDERS)]);
    criterion.bench_function("judge", |b| {
        b.iter(|| {
            let judged = verifier.judge(black_box(&authentic), Expected::Apis(&accepted), NOW);
            assert!(judged.is_ok(), "the token is good");
        });
    });
}

/// 1,000 APIs in 100 namespaces under one tenant, each granted to a workload of the next namespace.
fn large_world() -> World {
    let mut world = World {
        namespaces: (0..100).map(|n| namespace(&format!("team-{n}"))).collect(),
        tenants: vec![tenant(ACME, "acme.test")],
        ..World::default()
    };
    let audiences = (0..1000).map(|n| Audience {
        // Ed25519 keys are made at once, and the planner does not care.
        alg: AudienceAlg::Asymmetric(Alg::EdDSA),
        scopes: vec![name("read:orders")],
        grants: vec![grant(&format!("team-{}/app", (n + 1) % 100), "read:orders")],
        ..audience(
            ACME,
            &format!("team-{}/api-{n}", n % 100),
            &format!("https://api-{n}.test"),
        )
    });
    world.audiences = audiences.map(Into::into).collect();
    world
}

fn plans(criterion: &mut Criterion) {
    let cluster = Cluster::new(large_world());
    let mut group = criterion.benchmark_group("1,000 audiences in 100 namespaces");
    group.sample_size(10);
    group.bench_function("plan again", |b| {
        b.iter(|| black_box(&cluster).plan_once(&BTreeMap::new()));
    });
    let bundles: Vec<_> = cluster.bundles.values().collect();
    let split = || -> Vec<_> {
        let split = bundles.iter().map(|bundle| bundle::split(bundle));
        split.collect::<Result<_, _>>().expect("they fit")
    };
    group.bench_function("split all bundles", |b| b.iter(split));
    let all = split();
    group.bench_function("join all bundles", |b| {
        b.iter(|| {
            for shards in &all {
                let shards: Vec<_> = shards.iter().map(|shard| Some(shard.as_slice())).collect();
                black_box(bundle::join::<bundle::Body>(&shards)).expect("they are whole");
            }
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .without_plots();
    targets = limits::limits, tokens, plans, scale::scale
}
criterion_main!(benches);
