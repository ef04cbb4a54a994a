//! What workloads get at the tenant's endpoint, and what they do not.

use mintage_core::endpoint::Config;
use mintage_core::policy::{Granted, Refusal, Request};
use mintage_core::world::{Audience, AudienceAlg, Dialect, Issuance, NamespaceInfo, World};
use mintage_core::{Alg, Domain, LEEWAY, UnixTime};

use crate::support::endpoint::{
    BRIEF, LEDGERS, PROFILES, SHARED, WORKER, config, told, with_workloads,
};
use crate::support::{ACME, Cluster, NOW, ORDERS, grant, name};

const DELAY: i64 = 300;

fn acme(change: impl FnOnce(&mut World)) -> Config {
    let mut world = with_workloads();
    change(&mut world);
    config(&mut Cluster::new(world), ACME)
}

fn decide(
    config: &Config,
    now: UnixTime,
    (workload, domain): (&str, &str),
    request: Request<'_>,
) -> Result<Granted, Refusal> {
    let domain: Domain = name(domain);
    let decided = config.workload_grant(now, &name(workload), &domain, request);
    decided.map(|(api, granted)| {
        assert_eq!(api.identifier, granted.audience);
        granted
    })
}

fn ask(config: &Config, audience: &str, scope: Option<&str>) -> Result<Granted, Refusal> {
    let audience = Some(audience);
    let request = Request { audience, scope };
    decide(config, NOW, (WORKER, "acme.test"), request)
}

/// What a workload gets of an API at some moment.
fn ask_at(config: &Config, now: UnixTime, workload: &str, audience: &str) -> &'static str {
    let request = Request {
        audience: Some(audience),
        scope: None,
    };
    code(decide(config, now, (workload, "acme.test"), request))
}

fn code(decided: Result<Granted, Refusal>) -> &'static str {
    decided.map_or_else(|refusal| refusal.code(), |_| "granted")
}

#[test]
fn a_workload_gets_what_it_was_granted_of_each_kind_of_api() {
    let config = acme(|_| {});
    let (rs256, es256) = (Alg::RS256.into(), Alg::ES256.into());
    for (audience, scope, alg, dialect, lifetime) in [
        (PROFILES, "read", rs256, Dialect::Rfc9068, 86_400),
        (LEDGERS, "read write", es256, Dialect::Rfc9068, 86_400),
        (SHARED, "read", AudienceAlg::Hs256, Dialect::Auth0, 86_400),
        (BRIEF, "read write", rs256, Dialect::Auth0, 600),
    ] {
        let granted = ask(&config, audience, None).unwrap();
        assert_eq!(granted.scope, scope, "{audience}");
        assert_eq!(granted.issuer.as_str(), "https://acme.test/");
        let terms = granted.terms;
        assert_eq!(
            (terms.alg, terms.dialect, terms.lifetime, terms.issuance),
            (alg, dialect, lifetime, Issuance::Central)
        );
    }
    let some = ask(&config, BRIEF, Some("write")).unwrap();
    assert_eq!(some.scope, "write");
    let request = Request {
        audience: Some(BRIEF),
        scope: None,
    };
    let custom = decide(&config, NOW, (WORKER, "login.acme.test"), request).unwrap();
    assert_eq!(custom.issuer.as_str(), "https://login.acme.test/");
}

#[test]
fn refusals_are_those_of_a_sidecar() {
    let config = acme(|_| {});
    for (audience, scope, rule) in [
        ("https://nowhere.test", None, "audience-unknown"),
        ("https://acme.test/userinfo", None, "audience-for-users"),
        ("https://acme.test/api/v2/", None, "grant-missing"),
        ("https://rbac.test", None, "grant-missing"),
        ("", None, "audience-missing"),
        (SHARED, Some("read write"), "scope-not-granted"),
        (PROFILES, Some("openid"), "scope-not-granted"),
        (PROFILES, Some("read\twrite"), "scope-malformed"),
    ] {
        assert_eq!(code(ask(&config, audience, scope)), rule, "{audience}");
    }
    for nobody in ["payments/other", "orders/worker", "payments/worke"] {
        assert_eq!(ask_at(&config, NOW, nobody, PROFILES), "grant-missing");
    }
    let request = Request {
        audience: Some(PROFILES),
        scope: None,
    };
    let elsewhere = decide(&config, NOW, (WORKER, "globex.test"), request);
    assert_eq!(code(elsewhere), "domain-not-served");
}

#[test]
fn the_tenants_key_never_signs_for_workloads_of_a_local_api() {
    let config = acme(|_| {});
    let refused = ask(&config, ORDERS, None).unwrap_err();
    assert_eq!(refused.code(), "issuance-local");
    assert!(refused.to_string().contains(ORDERS), "{refused}");
    // The default audience is an API as any other.
    let by_default = |at: &str| {
        let config = acme(|world| world.tenants[0].default_audience = Some(name(at)));
        let worker = (WORKER, "acme.test");
        code(decide(&config, NOW, worker, Request::default()))
    };
    assert_eq!(by_default("orders/orders"), "issuance-local");
    assert_eq!(by_default("orders/rfc9068"), "granted");
}

#[test]
fn a_grant_counts_in_namespaces_that_the_tenant_admits_and_that_opted_in() {
    let with = |change: fn(&mut NamespaceInfo)| {
        acme(|world| change(world.namespaces.get_mut("payments").unwrap()))
    };
    let gone = acme(|world| {
        world.namespaces.remove("payments");
    });
    for config in [
        with(|info| info.opted_in = false),
        with(|info| info.labels.clear()),
        gone,
    ] {
        for audience in [PROFILES, SHARED] {
            assert_eq!(code(ask(&config, audience, None)), "grant-missing");
        }
    }
}

#[test]
fn a_new_grant_waits_until_validators_know_and_one_taken_back_ends_at_once() {
    let mut cluster = Cluster::new(with_workloads());
    let mut edit = |change: fn(&mut Audience)| {
        cluster.edit_audience("orders/rfc9068", change);
        config(&mut cluster, ACME)
    };
    let added = edit(|api| api.grants.push(grant("payments/late", "read")));
    let late = |now| ask_at(&added, now, "payments/late", PROFILES);
    assert_eq!(late(NOW), "grant-pending");
    assert_eq!(late(NOW + DELAY), "granted");
    let taken_back = edit(|api| api.grants.clear());
    assert_eq!(code(ask(&taken_back, PROFILES, None)), "grant-missing");
}

#[test]
fn sidecars_that_lag_behind_a_change_of_issuance_are_not_refused() {
    let mut cluster = Cluster::new(with_workloads());
    let issue = |cluster: &mut Cluster, issuance| {
        cluster.edit_audience("orders/orders", |api| api.issuance = issuance);
    };
    issue(&mut cluster, Issuance::Central);
    let announced = config(&mut cluster, ACME);
    assert_eq!(ask_at(&announced, NOW, WORKER, ORDERS), "granted");
    cluster.advance_to(NOW + DELAY + LEEWAY);

    issue(&mut cluster, Issuance::Local);
    let switched = cluster.now + DELAY + LEEWAY;
    cluster.advance_to(switched);
    let told_back = told(&mut cluster, ACME, switched).body;
    let at = |now| ask_at(&told_back, now, WORKER, ORDERS);
    assert_eq!(at(switched), "granted");
    assert_eq!(at(switched + DELAY), "granted");
    assert_eq!(at(switched + DELAY + 1), "issuance-local");
}
