//! What the endpoint of a tenant is told: its version, its age, its shards.

use mintage_core::bundle::{self, InvalidBundle, Stamped, join, split};
use mintage_core::endpoint::Config;
use mintage_core::{Domain, ObjectName};

use crate::support::endpoint::{told, with_endpoints};
use crate::support::{ACME, Cluster, NOW, name};

fn joined(shards: &[Vec<u8>]) -> Result<Stamped<Config>, InvalidBundle> {
    let shards: Vec<_> = shards.iter().map(|shard| Some(shard.as_slice())).collect();
    join(&shards)
}

#[test]
fn the_same_is_told_with_the_same_version_until_it_is_confirmed() {
    let mut cluster = Cluster::new(with_endpoints());
    let first = told(&mut cluster, ACME, NOW);
    assert_eq!(first.renewed_at, NOW);
    let third = first.body.max_age / 3;
    assert_eq!(told(&mut cluster, ACME, NOW + third - 1), first);

    let confirmed = told(&mut cluster, ACME, NOW + third);
    assert_eq!(confirmed.body, first.body);
    assert_eq!(confirmed.renewed_at, NOW + third);
    assert!(confirmed.version > first.version);
    assert_eq!(confirmed.ends_at(), NOW + third + first.body.max_age);
}

#[test]
fn the_plan_comes_again_when_what_is_told_is_to_be_confirmed() {
    let mut world = with_endpoints();
    // Nothing else in this world ends or begins as soon.
    for tenant in &mut world.tenants {
        tenant.max_bundle_age = 90;
    }
    world
        .namespaces
        .values_mut()
        .for_each(|of| of.opted_in = false);
    let due = Cluster::new(world).plan_at(NOW).next_due;
    assert_eq!(due, Some(NOW + 30));
}

#[test]
fn a_change_is_told_with_a_higher_version() {
    let mut cluster = Cluster::new(with_endpoints());
    let first = told(&mut cluster, ACME, NOW);
    cluster.edit(|world| world.applications.clear());
    let second = told(&mut cluster, ACME, NOW);
    assert!(second.body.applications.is_empty());
    assert!(second.version > first.version);
}

#[test]
fn a_tenant_whose_endpoint_is_off_has_none_and_nothing_is_remembered_of_it() {
    let mut cluster = Cluster::new(with_endpoints());
    cluster.plan_at(NOW);
    cluster.edit(|world| world.tenants[0].endpoint = None);
    let plan = cluster.plan_at(NOW);
    assert!(!plan.endpoints.contains_key(&name(ACME)));
    assert!(!plan.state.endpoints.contains_key(&name(ACME)));
    assert_eq!(plan.state.endpoints.len(), 1);
}

#[test]
fn a_domain_that_the_tenant_holds_has_its_certificate() {
    let mut cluster = Cluster::new(with_endpoints());
    cluster.edit(|world| {
        world.domains[0].certificate = Some(name("login-tls"));
        let mut login = (**world.tenants[0].endpoint.as_ref().unwrap()).clone();
        login.certificate = Some(name("acme-tls"));
        world.tenants[0].endpoint = Some(login.into());
    });
    let config = told(&mut cluster, ACME, NOW).body;
    let expected = [
        (name("acme.test"), name("acme-tls")),
        (name("login.acme.test"), name("login-tls")),
    ];
    assert_eq!(config.certificates, expected.into());
    let secrets: Vec<_> = config
        .secrets()
        .into_iter()
        .map(ObjectName::as_str)
        .collect();
    assert_eq!(secrets, ["acme-tls", "login-tls", "staff"]);

    cluster.edit(|world| world.domains[0].verified = false);
    let config = told(&mut cluster, ACME, NOW).body;
    let left: Vec<_> = config.certificates.keys().map(Domain::as_str).collect();
    assert_eq!(left, ["acme.test"]);
}

#[test]
fn it_comes_back_from_its_shards() {
    let mut cluster = Cluster::new(with_endpoints());
    let whole = told(&mut cluster, ACME, NOW);
    assert_eq!(joined(&split(&whole).unwrap()), Ok(whole));
}

#[test]
fn what_a_sidecar_is_told_is_nothing_for_an_endpoint() {
    let shards = split(Cluster::standard().bundle(ACME, "orders")).unwrap();
    let refused = joined(&shards).unwrap_err();
    let expected = "mintage.dev/endpoint/v1";
    assert_eq!(refused, InvalidBundle::Format { index: 0, expected });

    let mut cluster = Cluster::new(with_endpoints());
    let shards = split(&told(&mut cluster, ACME, NOW)).unwrap();
    let shards: Vec<_> = shards.iter().map(|shard| Some(shard.as_slice())).collect();
    let refused = join::<bundle::Body>(&shards).unwrap_err();
    let expected = "mintage.dev/bundle/v1";
    assert_eq!(refused, InvalidBundle::Format { index: 0, expected });
}
