//! What holds whatever admins do, and however late the news arrives within the delay.

use std::collections::{BTreeMap, BTreeSet};

use mintage_core::mint::Mint;
use mintage_core::plan::State;
use mintage_core::policy::Request;
use mintage_core::verify::{Expected, Rejection};
use mintage_core::{Identifier, Kid, TenantRef, UnixTime};
use proptest::collection::vec;
use proptest::prelude::*;

use super::edits::{Edit, WORKLOADS, any_edit, apis, gentle, lively};
use crate::support::{ACME, Cluster, GLOBEX, name, verdict};

/// A number of cases that a developer waits for; `PROPTEST_CASES` asks for more.
fn config(cases: u32) -> ProptestConfig {
    let cases = std::env::var_os("PROPTEST_CASES")
        .is_none()
        .then_some(cases);
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: cases.unwrap_or(default.cases),
        failure_persistence: None,
        ..default
    }
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn planning_settles_and_keeps_keys_apart(edits in vec(any_edit(), 1..25)) {
        let mut cluster = lively();
        for edit in edits {
            edit.run(&mut cluster, &mut |cluster| {
                assert_keys_apart(cluster);
                assert_settled(cluster, cluster.now);
                if let Some(due) = cluster.next_due {
                    assert!(due > cluster.now, "it would spin");
                    assert_settled(cluster, due - 1);
                }
            });
        }
    }
}

proptest! {
    #![proptest_config(config(12))]

    #[test]
    fn what_is_granted_is_accepted_there_and_nowhere_else(edits in vec(any_edit(), 1..20)) {
        let mut cluster = lively();
        for edit in edits {
            edit.run(&mut cluster, &mut |_| ());
        }
        assert_accepted_where_meant(&cluster);
    }

    #[test]
    fn no_good_token_is_refused_by_who_hears_late(edits in vec(gentle(), 1..25)) {
        let mut cluster = lively();
        let mut news = vec![cluster.clone()];
        for edit in edits.iter().chain([&Edit::Wait(6000)]) {
            edit.run(&mut cluster, &mut |cluster| news.push(cluster.clone()));
        }
        assert_no_good_token_refused(&news);
    }
}

fn assert_settled(cluster: &Cluster, now: UnixTime) {
    let mut again = cluster.clone();
    again.now = now;
    let plan = again.plan_once(&BTreeMap::new());
    assert_eq!(plan.wanted, BTreeSet::new());
    assert_eq!(plan.state, cluster.state);
    assert_eq!(State::join(plan.state.clone().split()), plan.state);
    assert_eq!(plan.bundles, cluster.bundles);
    assert_eq!(plan.statuses, cluster.statuses);
    assert_eq!(plan.deletions, cluster.deletions);
    assert_eq!(plan.next_due, cluster.next_due);
}

fn assert_keys_apart(cluster: &Cluster) {
    let mut owners: BTreeMap<&Kid, &TenantRef> = BTreeMap::new();
    for ring in &cluster.state.keyrings {
        for key in &ring.keys {
            let before = owners.insert(key.kid(), &ring.owner.tenant);
            assert_eq!(before, None, "two keys of one name");
        }
    }
    for ((tenant, namespace), bundle) in &cluster.bundles {
        let accepted: BTreeSet<_> = bundle
            .body
            .accept
            .iter()
            .map(|api| &api.identifier)
            .collect();
        for trusted in &bundle.body.keys {
            assert_eq!(owners[trusted.key.kid()], tenant, "a key of another tenant");
            let own = trusted.namespace.as_ref().is_none_or(|of| of == namespace);
            assert!(
                own || !trusted.bounds.is_empty(),
                "a key that nothing was granted to"
            );
            assert!(trusted.bounds.keys().all(|bound| accepted.contains(bound)));
            assert!(trusted.namespace.is_some() || trusted.bounds.is_empty());
        }
    }
}

/// Every order of a workload of one tenant, signed: the token, its audience, and its life.
fn orders(mint: &Mint, now: UnixTime) -> Vec<(String, Identifier, i64)> {
    let offers: Vec<_> = mint
        .policy()
        .offers(now)
        .map(|(audience, _, _)| audience.clone())
        .collect();
    let sign = |audience: Identifier| {
        let request = Request {
            audience: Some(audience.as_str()),
            scope: None,
        };
        // A key may be on its way; what is signed must be good.
        let order = mint.order(now, request).ok()?;
        let token = mint.sign(&order, [9; 16]).unwrap();
        Some((token, audience, order.granted.terms.lifetime))
    };
    offers.into_iter().filter_map(sign).collect()
}

fn mints(cluster: &Cluster) -> Vec<(&'static str, Mint)> {
    let mut mints = Vec::new();
    for tenant in [ACME, GLOBEX] {
        for workload in WORKLOADS {
            let namespace = name(workload.split_once('/').unwrap().0);
            if cluster.bundles.contains_key(&(name(tenant), namespace)) {
                mints.push((tenant, cluster.mint_with(tenant, workload, None, true)));
            }
        }
    }
    mints
}

fn judge(
    cluster: &Cluster,
    tenant: &str,
    namespace: &str,
    audience: &str,
    token: &str,
) -> Result<(), Rejection> {
    let accepted = BTreeSet::from([name::<Identifier>(audience)]);
    let verifier = cluster.verifier(tenant, namespace);
    verdict(&verifier, token, Expected::Apis(&accepted), cluster.now).map(|_| ())
}

fn assert_accepted_where_meant(cluster: &Cluster) {
    let bundles = &cluster.bundles;
    let served =
        |tenant: &str, namespace: &str| bundles.contains_key(&(name(tenant), name(namespace)));
    for (tenant, mint) in mints(cluster) {
        for (token, meant, _) in orders(&mint, cluster.now) {
            for (of, namespace, audience) in apis(cluster) {
                if !served(of, &namespace) {
                    continue;
                }
                let verdict = judge(cluster, of, &namespace, &audience, &token);
                let is_meant = of == tenant && audience == meant.as_str();
                assert_eq!(
                    verdict.is_ok(),
                    is_meant,
                    "{tenant} {meant} at {of} {audience}: {verdict:?}"
                );
            }
        }
    }
}

/// Issuers and validators each act on news that is up to the delay old.
fn assert_no_good_token_refused(news: &[Cluster]) {
    const DELAY: i64 = 300;
    let heard = |now: UnixTime, late: i64| {
        let told = news.iter().rev().find(|cluster| cluster.now <= now - late);
        let mut cluster = told.unwrap_or(&news[0]).clone();
        cluster.now = now;
        cluster
    };
    let (first, last) = (news[0].now, news[news.len() - 1].now);
    let moments: BTreeSet<UnixTime> = news
        .iter()
        .flat_map(|cluster| [cluster.now, cluster.now + 1, cluster.now + DELAY])
        .filter(|moment| *moment < last)
        .collect();
    // A sample: signing at each moment of a long history would take minutes.
    let step = moments.len().div_ceil(12);
    for moment in moments.into_iter().step_by(step) {
        for issuer in [0, DELAY].map(|late| heard(moment, late)) {
            for (tenant, mint) in mints(&issuer) {
                for (token, audience, life) in orders(&mint, moment) {
                    for (after, late) in [(0, 0), (0, DELAY), (life - 1, 0), (life - 1, DELAY)] {
                        let validator = heard(moment + after, late);
                        let api = apis(&validator).into_iter().find(|(of, _, identifier)| {
                            *of == tenant && *identifier == audience.as_str()
                        });
                        let (_, namespace, identifier) = api.unwrap();
                        let verdict = judge(&validator, tenant, &namespace, &identifier, &token);
                        let when = (
                            moment - first,
                            moment - first - (moment - issuer.now),
                            after,
                            late,
                        );
                        assert_eq!(verdict, Ok(()), "{tenant} {audience} {when:?} {token}");
                    }
                }
            }
        }
    }
}
