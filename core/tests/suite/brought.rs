//! Keys that a tenant's admin brings, as the whole plan treats them.

use mintage_core::jose::PrivateKey;
use mintage_core::keyring::{Keyring, Owner};
use mintage_core::ownership::{Kind, Name};
use mintage_core::plan::{MOST_SPENT, Reason, State};
use mintage_core::world::{AudienceAlg, Issuance};
use mintage_core::{Alg, Kid, LEEWAY};

use crate::support::{ACME, Cluster, GLOBEX, NOW, ORDERS, REPORTS, name, standard, tenant};

const DELAY: i64 = 300;
const DAY: i64 = 86_400;
const PERIOD: i64 = 30 * DAY;

/// A cluster whose first tenant brings its keys: one for the Management API's algorithm and one for that of REPORTS.
fn bringing() -> Cluster {
    let mut world = standard();
    world.tenants[0].key_secret = Some(name("keys"));
    let mut cluster = Cluster::new(world);
    cluster.bring(ACME, Alg::RS256);
    cluster.bring(ACME, Alg::PS256);
    cluster.plan_at(NOW);
    cluster
}

fn kid(cluster: &Cluster, alg: Alg) -> Kid {
    cluster.key(ACME, alg).kid().clone()
}

fn brought(cluster: &Cluster, alg: Alg) -> Kid {
    let owner = Owner::tenant(name(ACME));
    cluster.brought[&(owner, alg)].kid.clone()
}

#[track_caller]
fn assert_notes(cluster: &Cluster, says: &[&[&str]]) {
    let status = cluster.status(Kind::Tenant, ACME);
    assert_eq!(status.reason, Reason::Served);
    assert_eq!(status.notes.len(), says.len(), "{:?}", status.notes);
    for (note, says) in status.notes.iter().zip(says) {
        for text in *says {
            assert!(note.contains(text), "{note}");
        }
    }
}

#[test]
fn brought_keys_sign_what_the_tenant_signs_and_nothing_else() {
    let mut cluster = bringing();
    for alg in [Alg::RS256, Alg::PS256] {
        assert_eq!(kid(&cluster, alg), brought(&cluster, alg));
    }
    assert_notes(&cluster, &[]);
    let token = cluster.token(ACME, "shop/checkout", REPORTS);
    assert!(cluster.judge(ACME, REPORTS, &token).is_ok());
    // Namespaces and other tenants have made ones.
    let token = cluster.token(ACME, "shop/checkout", ORDERS);
    assert!(cluster.judge(ACME, ORDERS, &token).is_ok());
    assert!(
        cluster
            .ask(GLOBEX, "shop/checkout", Some(ORDERS), None)
            .is_ok()
    );
    // Tokens of the one before live on under the next.
    let old = cluster.token(ACME, "shop/checkout", REPORTS);
    let first = kid(&cluster, Alg::PS256);
    cluster.bring(ACME, Alg::PS256);
    cluster.advance_to(NOW + 10);
    assert_eq!(kid(&cluster, Alg::PS256), first);
    cluster.advance_to(NOW + 10 + DELAY);
    assert_eq!(kid(&cluster, Alg::PS256), brought(&cluster, Alg::PS256));
    assert!(cluster.judge(ACME, REPORTS, &old).is_ok());
}

#[test]
fn what_is_missing_is_said_and_nothing_is_made() {
    let mut world = standard();
    world.tenants[0].key_secret = Some(name("keys"));
    let cluster = Cluster::new(world);
    let nothing = |alg| {
        [
            alg,
            "Secret keys",
            "keySecretRef",
            "put one",
            "nothing is signed",
        ]
    };
    assert_notes(&cluster, &[&nothing("PS256"), &nothing("RS256")]);
    let refused = cluster.ask(ACME, "shop/checkout", Some(REPORTS), None);
    assert_eq!(refused.unwrap_err().code(), "issuance-central");
    // From made keys: those go on, however long it takes.
    let mut cluster = Cluster::new(standard());
    let made = kid(&cluster, Alg::PS256);
    cluster.edit(|world| world.tenants[0].key_secret = Some(name("keys")));
    cluster.advance_to(NOW + 3 * PERIOD);
    assert_eq!(kid(&cluster, Alg::PS256), made);
    let until = format!("until then key {made} goes on");
    assert_notes(&cluster, &[&["PS256", &until], &["RS256"]]);
}

#[test]
fn an_old_key_is_noted_when_it_is_old() {
    let mut cluster = bringing();
    cluster.advance_to(NOW + PERIOD - 1);
    assert_notes(&cluster, &[]);
    assert!(cluster.next_due.is_some_and(|due| due <= NOW + PERIOD));
    cluster.advance_to(NOW + PERIOD);
    let old = |alg| {
        [
            alg,
            "Secret keys",
            "older than signing.rotationPeriod",
            "put another",
        ]
    };
    assert_notes(&cluster, &[&old("PS256"), &old("RS256")]);
    let (first, token) = (
        kid(&cluster, Alg::PS256),
        cluster.token(ACME, "shop/checkout", REPORTS),
    );
    cluster.bring(ACME, Alg::PS256);
    cluster.bring(ACME, Alg::RS256);
    cluster.plan_at(NOW + PERIOD);
    assert_notes(&cluster, &[]);
    cluster.advance_to(NOW + PERIOD + DELAY);
    assert_ne!(kid(&cluster, Alg::PS256), first);
    assert!(cluster.judge(ACME, REPORTS, &token).is_ok());
}

#[test]
fn a_rotation_that_is_asked_for_is_done_where_keys_are_made() {
    let mut cluster = bringing();
    cluster.now = NOW + 10;
    let shop = cluster.key("identity/acme/shop", Alg::RS256).kid().clone();
    cluster.edit(|world| world.tenants[0].rotate_request = Some("1".to_owned()));
    let asks = |alg| ["rotate-now", alg, "Secret keys"];
    assert_notes(&cluster, &[&asks("PS256"), &asks("RS256")]);
    cluster.bring(ACME, Alg::PS256);
    cluster.advance_to(NOW + 1000);
    assert_notes(&cluster, &[&asks("RS256")]);
    assert_ne!(*cluster.key("identity/acme/shop", Alg::RS256).kid(), shop);
    assert_eq!(kid(&cluster, Alg::RS256), brought(&cluster, Alg::RS256));
}

#[test]
fn a_revoked_key_is_refused_for_good_though_it_stays_in_the_secret() {
    let mut cluster = bringing();
    let token = cluster.token(ACME, "shop/checkout", REPORTS);
    let bad = kid(&cluster, Alg::PS256);
    cluster.edit(|world| world.tenants[0].revoke_keys.extend([bad.clone()]));
    let judged = cluster.judge(ACME, REPORTS, &token);
    assert_eq!(judged.unwrap_err().code(), "key-revoked");
    let refused = [
        "PS256",
        "Secret keys",
        "replaced or revoked",
        "nothing is signed",
    ];
    assert_notes(&cluster, &[&refused]);
    // Long after, with the annotation gone, and through the stored parts.
    cluster.edit(|world| world.tenants[0].revoke_keys.clear());
    cluster.advance_to(NOW + 10 * DAY);
    cluster.state = State::join(cluster.state.clone().split());
    cluster.plan_at(NOW + 10 * DAY);
    assert_notes(&cluster, &[&refused]);
    let keys = cluster.state.keyrings.iter().flat_map(|ring| &ring.keys);
    assert!(keys.into_iter().all(|key| *key.kid() != bad));
    cluster.bring(ACME, Alg::PS256);
    cluster.plan_at(NOW + 10 * DAY);
    assert_notes(&cluster, &[]);
    cluster.advance_to(NOW + 10 * DAY + DELAY);
    assert_eq!(kid(&cluster, Alg::PS256), brought(&cluster, Alg::PS256));
}

#[test]
fn nobody_revokes_another_tenants_key() {
    let mut cluster = bringing();
    let (tenants, shops) = (
        kid(&cluster, Alg::PS256),
        cluster.key("identity/acme/shop", Alg::RS256),
    );
    let token = cluster.token(ACME, "shop/checkout", REPORTS);
    cluster.edit(|world| {
        let globex = &mut world.tenants[1];
        globex
            .revoke_keys
            .extend([tenants.clone(), shops.kid().clone()]);
    });
    assert_eq!(kid(&cluster, Alg::PS256), tenants);
    assert!(cluster.judge(ACME, REPORTS, &token).is_ok());
    let token = cluster.token(ACME, "shop/checkout", ORDERS);
    assert!(cluster.judge(ACME, ORDERS, &token).is_ok());
}

#[test]
fn brought_keys_give_way_to_made_ones_when_they_are_no_longer_asked_for() {
    let mut cluster = bringing();
    let token = cluster.token(ACME, "shop/checkout", REPORTS);
    let before = kid(&cluster, Alg::PS256);
    cluster.edit(|world| world.tenants[0].key_secret = None);
    cluster.advance_to(NOW + DELAY);
    assert_ne!(kid(&cluster, Alg::PS256), before);
    assert_ne!(kid(&cluster, Alg::RS256), brought(&cluster, Alg::RS256));
    assert!(cluster.judge(ACME, REPORTS, &token).is_ok());
    let made = kid(&cluster, Alg::PS256);
    cluster.edit(|world| world.tenants[0].key_secret = Some(name("keys")));
    let until = format!("until then key {made} goes on");
    assert_notes(
        &cluster,
        &[&["PS256", "no key comes back", &until], &["RS256"]],
    );
}

#[test]
fn a_restored_tenant_goes_on_with_the_key_that_its_admin_brings() {
    let mut cluster = bringing();
    let token = cluster.token(ACME, "shop/checkout", REPORTS);
    let kids = [kid(&cluster, Alg::RS256), kid(&cluster, Alg::PS256)];
    cluster.advance_to(NOW + 100);
    cluster.edit(|world| world.tenants[0].uid = name("uid-restored"));
    assert_notes(&cluster, &[]);
    assert_eq!([kid(&cluster, Alg::RS256), kid(&cluster, Alg::PS256)], kids);
    assert!(cluster.judge(ACME, REPORTS, &token).is_ok());
    let rings = cluster.state.keyrings.iter();
    let own = rings.filter(|ring| ring.owner == Owner::tenant(name(ACME)));
    let lives: Vec<_> = own.map(|ring| ring.tenant_uid.as_str()).collect();
    assert_eq!(lives, ["uid-restored"]);
}

#[test]
fn a_key_of_an_earlier_life_does_not_come_back_beside_a_newer_one() {
    let mut cluster = bringing();
    let earlier = cluster.brought.clone();
    let second = cluster.bring(ACME, Alg::PS256);
    cluster.bring(ACME, Alg::RS256);
    cluster.edit(|world| world.tenants[0].uid = name("uid-2"));
    cluster.advance_to(NOW + 100);
    cluster.brought = earlier;
    cluster.plan_at(NOW + 100);
    let until = format!("until then key {} goes on", second.kid);
    let spent = ["PS256", "no key comes back", &until];
    assert_notes(&cluster, &[&spent, &["RS256"]]);
    let rings = cluster.state.keyrings.iter();
    let own = rings.filter(|ring| ring.owner == Owner::tenant(name(ACME)));
    let lives: Vec<_> = own
        .map(|ring| (ring.tenant_uid.as_str(), ring.keys.len()))
        .collect();
    assert_eq!(lives, [("uid-identity-acme", 2), ("uid-2", 2)]);
}

#[test]
fn what_was_brought_is_remembered_while_the_tenant_is_there() {
    let mut cluster = bringing();
    let tenant = name(ACME);
    assert_eq!(cluster.state.brought[&tenant].len(), 2);
    cluster.edit(|world| world.tenants[0].key_secret = None);
    cluster.advance_to(NOW + 10 * PERIOD);
    assert_eq!(cluster.state.brought[&tenant].len(), 2);
    // Deleted by force: as long as a key of it is believed.
    cluster.edit(|world| drop(world.tenants.remove(0)));
    assert_eq!(cluster.state.brought[&tenant].len(), 2);
    cluster.advance_to(cluster.now + DAY + DELAY + LEEWAY + 1);
    assert!(cluster.state.brought.is_empty());
}

#[test]
fn an_api_that_leaves_for_a_while_finds_its_key_again() {
    let mut cluster = bringing();
    let before = kid(&cluster, Alg::PS256);
    cluster.edit_audience("payments/reports", |reports| {
        reports.issuance = Issuance::Local;
    });
    cluster.advance_to(NOW + 3 * DAY);
    cluster.edit_audience("payments/reports", |reports| {
        reports.issuance = Issuance::Central;
    });
    assert_notes(&cluster, &[]);
    assert_eq!(kid(&cluster, Alg::PS256), before);
    cluster.advance_to(NOW + 3 * DAY + DELAY + LEEWAY);
    let token = cluster.token(ACME, "shop/checkout", REPORTS);
    assert!(cluster.judge(ACME, REPORTS, &token).is_ok());
}

#[test]
fn a_tenant_that_is_not_served_for_a_while_finds_its_key_again() {
    let mut cluster = bringing();
    let token = cluster.token(ACME, "shop/checkout", REPORTS);
    let keys = cluster.state.keyrings.clone();
    let own = |rings: &[Keyring]| -> Vec<Keyring> {
        let owner = Owner::tenant(name(ACME));
        rings
            .iter()
            .filter(|ring| ring.owner == owner)
            .cloned()
            .collect()
    };
    // Its domain is another's, as if a backup had been restored in a bad order.
    let claims = |cluster: &mut Cluster, uid: &str| {
        let domain = Name::Domain(name("acme.test"));
        let mut claims = cluster.state.claims.iter_mut();
        let claim = claims.find(|claim| claim.name == domain).unwrap();
        claim.holder.uid = name(uid);
        claim.holder.object.at = name(if uid == "uid-other" {
            "identity/other"
        } else {
            ACME
        });
    };
    for away in [10, 100 * DAY] {
        let begun = cluster.now;
        claims(&mut cluster, "uid-other");
        cluster
            .world
            .tenants
            .push(tenant("identity/other", "acme.test"));
        cluster.world.tenants.last_mut().unwrap().uid = name("uid-other");
        cluster.plan_at(begun + 1);
        assert_eq!(cluster.status(Kind::Tenant, ACME).reason, Reason::Conflict);
        assert!(!cluster.bundles.contains_key(&(name(ACME), name("shop"))));
        cluster.advance_to(begun + away);
        cluster.world.tenants.pop();
        claims(&mut cluster, "uid-identity-acme");
        cluster.plan_at(begun + away);
        assert_eq!(cluster.status(Kind::Tenant, ACME).reason, Reason::Served);
        assert_eq!(own(&cluster.state.keyrings), own(&keys), "after {away} s");
        let spent = |note: &String| note.contains("no key comes back");
        let status = cluster.status(Kind::Tenant, ACME);
        assert!(!status.notes.iter().any(spent), "{status:?}");
        // What it grants is announced anew.
        cluster.advance_to(begun + away + DELAY + LEEWAY);
        let fresh = cluster.ask(ACME, "shop/checkout", Some(REPORTS), None);
        assert!(cluster.judge(ACME, REPORTS, &fresh.unwrap()).is_ok());
    }
    assert_eq!(
        cluster.judge(ACME, REPORTS, &token).unwrap_err().code(),
        "expired"
    );
}

#[test]
fn a_namespace_that_comes_later_signs_at_once_under_a_tenant_that_brings_its_keys() {
    let mut world = standard();
    world.tenants[0].key_secret = Some(name("keys"));
    world.namespaces.get_mut("shop").unwrap().opted_in = false;
    let mut cluster = Cluster::new(world);
    cluster.bring(ACME, Alg::RS256);
    cluster.bring(ACME, Alg::PS256);
    cluster.plan_at(NOW + 100);
    cluster.edit(|world| world.namespaces.get_mut("shop").unwrap().opted_in = true);
    let token = cluster.token(ACME, "shop/checkout", ORDERS);
    assert!(cluster.judge(ACME, ORDERS, &token).is_ok());
}

#[test]
fn what_was_brought_is_remembered_within_a_bound() {
    let mut world = standard();
    world.tenants[0].key_secret = Some(name("keys"));
    world.tenants[0].allow_non_rsa = true;
    // Nothing else, and keys that are quick to make: there are many plans.
    world.tenants.truncate(1);
    world.audiences.retain(|of| of.identifier == name(REPORTS));
    world.audiences[0].alg = AudienceAlg::Asymmetric(Alg::ES256);
    world.namespaces.retain(|at, _| *at == name("payments"));
    let mut cluster = Cluster::new(world);
    let first = cluster.bring(ACME, Alg::ES256).kid;
    let mut now = NOW;
    cluster.plan_at(now);
    let mut kids = vec![first.clone()];
    for _ in 0..MOST_SPENT + 20 {
        kids.push(cluster.bring(ACME, Alg::ES256).kid);
        now = now + DAY;
        cluster.plan_at(now);
        let known = &cluster.state.brought[&name(ACME)];
        // One signs, and the tokens of the one before live for an hour.
        assert!(known.len() <= MOST_SPENT + 2, "{}", known.len());
        assert!(known.ends_with(&kids[kids.len().saturating_sub(MOST_SPENT)..]));
    }
    let known = cluster.state.brought[&name(ACME)].clone();
    assert!(!known.contains(&first));
    // Stored and read again, in the same order.
    cluster.state = State::join(cluster.state.clone().split());
    assert_eq!(cluster.state.brought[&name(ACME)], known);
    // One that is remembered does not come back.
    let old = known[known.len() - 10].clone();
    let (_, alg, pkcs8) = cluster.private[&old].clone();
    let jwk = PrivateKey::from_pkcs8(alg, &pkcs8).unwrap().jwk().clone();
    cluster
        .brought
        .insert((Owner::tenant(name(ACME)), alg), jwk);
    cluster.plan_at(now + DAY);
    let notes = &cluster.status(Kind::Tenant, ACME).notes;
    assert!(
        notes.iter().any(|note| note.contains("no key comes back")),
        "{notes:?}"
    );
}
