//! The state in parts: nothing is lost, and a part speaks of nobody but its own.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mintage_core::jose::{Jwk, Material};
use mintage_core::keyring::{Key, Keyring, Owner, Schedule};
use mintage_core::ledger::{
    AudienceLedger, GrantTerms, Lifetime, SecretLedger, TenantLedger, Term,
};
use mintage_core::ownership::{Claim, Holder, Kind, Name, Object};
use mintage_core::plan::{
    AudiencePart, BundleStamp, NamespacePart, Parts, RootPart, Rotation, Stamp, State, TenantParts,
    part_name,
};
use mintage_core::sorted::SortedMap;
use mintage_core::world::Issuance;
use mintage_core::{Alg, Identifier, Kid, Namespace, ObjectRef, TenantRef, UnixTime};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::support::{ACME, Cluster, GLOBEX, NOW, ORDERS, PAYMENTS, name, standard};

const NAMESPACES: [&str; 3] = ["shop", "orders", "other"];
const DOMAINS: [&str; 3] = ["acme.test", "login.acme.test", "globex.test:7743"];

fn tenant() -> impl Strategy<Value = TenantRef> {
    select(&[ACME, GLOBEX, "identity/a", "other/acme"][..]).prop_map(name)
}

fn namespace() -> impl Strategy<Value = Namespace> {
    select(&NAMESPACES[..]).prop_map(name)
}

fn identifier() -> impl Strategy<Value = Identifier> {
    select(&[ORDERS, PAYMENTS, "urn:x", "acme.test"][..]).prop_map(name)
}

fn moment() -> impl Strategy<Value = UnixTime> {
    (0..100_000_i64).prop_map(|seconds| NOW + seconds)
}

fn term() -> impl Strategy<Value = Term> {
    (moment(), any::<bool>()).prop_map(|(from, open)| {
        if open {
            Term::Open { from }
        } else {
            Term::Closed {
                from,
                believe_until: from + 100,
            }
        }
    })
}

fn claim() -> impl Strategy<Value = Claim> {
    let of = prop_oneof![
        select(&DOMAINS[..]).prop_map(|domain| Name::Domain(name(domain))),
        (tenant(), identifier()).prop_map(|(tenant, of)| Name::Identifier(tenant, of)),
    ];
    let holder = (namespace(), 0..3_u8).prop_map(|(namespace, life)| Holder {
        object: Object {
            kind: Kind::ApiAudience,
            at: name(&format!("{namespace}/x")),
        },
        uid: name(&format!("uid-{life}")),
        namespace_uid: name("uid-namespace"),
    });
    (of, holder, proptest::option::of(moment())).prop_map(|(name, holder, released_at)| Claim {
        name,
        holder,
        keep: 86_400,
        released_at,
    })
}

fn audience() -> impl Strategy<Value = AudienceLedger> {
    let grants = proptest::collection::btree_map(select(&["shop/a", "shop/b"][..]), term(), 0..2);
    let next = proptest::option::of(moment().prop_map(|from| (7200, from)));
    (tenant(), identifier(), term(), grants, next).prop_map(
        |(tenant, identifier, term, grants, next)| AudienceLedger {
            tenant,
            identifier,
            at: name("orders/x"),
            uid: name("uid-orders-x"),
            longest_lifetime: 86_400,
            lifetime: Lifetime { now: 3600, next },
            algs: SortedMap::from([(Alg::RS256, term)]),
            issuance: SortedMap::from([(Issuance::Central, term)]),
            grants: grants
                .into_iter()
                .map(|(workload, term)| {
                    let scopes = SortedMap::from([(name("read"), term)]);
                    (name(workload), GrantTerms { term, scopes })
                })
                .collect::<SortedMap<_, _>>()
                .into(),
        },
    )
}

fn key(number: u8) -> Key {
    let material = Material::Okp {
        crv: "Ed25519".into(),
        x: URL_SAFE_NO_PAD.encode([number; 32]).into(),
    };
    Key {
        jwk: Jwk::new(material, Alg::EdDSA),
        generation: number.into(),
        published_at: NOW,
        longest_lifetime: 3600,
        schedule: Schedule::Open { activate_at: NOW },
        first_activate_at: None,
    }
}

fn keyring() -> impl Strategy<Value = Keyring> {
    let lives = (0..3_u8, 0..3_u8);
    let keys = vec(any::<u8>().prop_map(key), 0..3);
    (tenant(), proptest::option::of(namespace()), lives, keys).prop_map(
        |(tenant, namespace, (life, namespace_life), keys)| Keyring {
            tenant_uid: name(&format!("uid-{life}")),
            namespace_uid: namespace
                .is_some()
                .then(|| name(&format!("uid-{namespace_life}"))),
            owner: Owner { tenant, namespace },
            keys,
        },
    )
}

fn tenants() -> impl Strategy<Value = Vec<TenantLedger>> {
    let ledger = (tenant(), term(), subsequence(&DOMAINS[..], 0..=3));
    vec(ledger, 0..5).prop_map(|ledgers| {
        let ledgers = ledgers.into_iter();
        ledgers
            .map(|(tenant, term, domains)| TenantLedger {
                tenant,
                uid: name("uid-tenant"),
                longest_lifetime: 86_400,
                domains: domains.into_iter().map(|of| (name(of), term)).collect(),
            })
            .collect()
    })
}

fn stamp() -> impl Strategy<Value = Stamp> {
    (any::<u64>(), moment()).prop_map(|(version, renewed_at)| Stamp {
        version,
        renewed_at,
        sha256: "0f".repeat(32),
    })
}

fn bundle_stamp() -> impl Strategy<Value = BundleStamp> {
    (tenant(), namespace(), stamp()).prop_map(|(tenant, namespace, stamp)| BundleStamp {
        tenant,
        namespace,
        stamp,
    })
}

fn secret() -> impl Strategy<Value = SecretLedger> {
    let generations = proptest::collection::btree_map(1..9_u32, term(), 1..4);
    let place = (namespace(), select(&["app", "shop"][..]));
    (tenant(), place, generations).prop_map(|(tenant, (namespace, app), generations)| {
        SecretLedger {
            tenant,
            at: ObjectRef::new(namespace, name(app)),
            uid: name("uid-app"),
            generations: generations.into_iter().collect(),
        }
    })
}

fn rotation() -> impl Strategy<Value = Rotation> {
    let request = proptest::option::of(select(&["1", "2"][..]).prop_map(str::to_owned));
    (
        tenant(),
        proptest::option::of(namespace()),
        request,
        moment(),
    )
        .prop_map(|(tenant, namespace, request, at)| Rotation {
            tenant,
            namespace,
            request,
            at,
        })
}

fn brought() -> impl Strategy<Value = BTreeMap<TenantRef, Vec<Kid>>> {
    let kids = vec(any::<u8>(), 1..3);
    let kids = kids.prop_map(|all| all.into_iter().map(|of| key(of).jwk.kid).collect());
    proptest::collection::btree_map(tenant(), kids, 0..3)
}

/// Any state, of what there is one at most under one name.
fn state() -> impl Strategy<Value = State> {
    (
        vec(claim(), 0..8),
        vec(audience(), 0..8),
        tenants(),
        vec(keyring(), 0..8),
        vec(bundle_stamp(), 0..8),
        vec(secret(), 0..8),
        vec(rotation(), 0..4),
        brought(),
        proptest::collection::btree_map(tenant(), stamp(), 0..3),
    )
        .prop_map(
            |(
                mut claims,
                mut audiences,
                mut tenants,
                keyrings,
                mut bundles,
                mut secrets,
                rotations,
                brought,
                endpoints,
            )| {
                unique(&mut claims, |claim| claim.name.clone());
                unique(&mut audiences, |of| {
                    (of.tenant.clone(), of.identifier.clone())
                });
                unique(&mut tenants, |of| of.tenant.clone());
                unique(&mut bundles, |of| (of.tenant.clone(), of.namespace.clone()));
                unique(&mut secrets, |of| (of.tenant.clone(), of.at.clone()));
                State {
                    claims,
                    audiences,
                    tenants,
                    secrets,
                    keyrings,
                    bundles,
                    rotations,
                    brought,
                    endpoints,
                }
            },
        )
}

fn unique<T, K: Ord>(all: &mut Vec<T>, key: impl Fn(&T) -> K) {
    let mut seen = BTreeSet::new();
    all.retain(|one| seen.insert(key(one)));
}

/// In the order of a plan's state.
fn sorted(mut state: State) -> State {
    state.claims.sort_by_key(|claim| claim.name.clone());
    state
        .audiences
        .sort_by_key(|of| (of.tenant.clone(), of.identifier.clone()));
    state.tenants.sort_by_key(|of| of.tenant.clone());
    state.keyrings.sort_by_key(|of| of.owner.clone());
    state
        .bundles
        .sort_by_key(|of| (of.tenant.clone(), of.namespace.clone()));
    state
        .secrets
        .sort_by_key(|of| (of.tenant.clone(), of.at.clone()));
    state.rotations.sort_by_key(|of| of.tenant.clone());
    state
}

/// Through JSON and back.
fn stored<T: DeserializeOwned + Serialize>(part: &T) -> T {
    serde_json::from_slice(&serde_json::to_vec(part).unwrap()).unwrap()
}

fn store(parts: Parts) -> Parts {
    let tenants = parts.tenants.into_iter().map(|(tenant, parts)| {
        let parts = TenantParts {
            root: stored(&parts.root),
            namespaces: stored(&parts.namespaces),
            audiences: stored(&parts.audiences),
        };
        (tenant, parts)
    });
    Parts {
        domains: stored(&parts.domains),
        tenants: tenants.collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn nothing_is_lost_and_the_order_is_one(state in state()) {
        let parts = state.clone().split();
        let joined = State::join(store(parts.clone()));
        prop_assert_eq!(&joined, &sorted(state));
        prop_assert_eq!(&joined.clone().split(), &parts);
    }
}

#[test]
fn a_plans_state_has_that_order_already() {
    let mut cluster = Cluster::new(standard());
    cluster.edit(|world| {
        world.audiences.reverse();
        world.audiences.pop();
        world.tenants.reverse();
        world.namespaces.get_mut("shop").unwrap().uid = name("uid-shop-2");
    });
    let shop = Owner::namespace(name(ACME), name("shop"));
    let mut rings = cluster.state.keyrings.iter();
    assert_eq!(rings.by_ref().filter(|ring| ring.owner == shop).count(), 2);
    let parts = cluster.state.clone().split();
    assert_eq!(State::join(parts.clone()), cluster.state);
    let acme = &parts.tenants[&name::<TenantRef>(ACME)];
    let lives = acme.namespaces["shop"].keyrings.iter();
    let lives: Vec<_> = lives
        .map(|ring| ring.namespace_uid.as_ref().unwrap().as_str())
        .collect();
    assert_eq!(lives, ["uid-shop", "uid-shop-2"], "the older one first");
}

/// What somebody writes into a part of one tenant is about that tenant, whatever it says.
#[test]
fn a_part_says_nothing_about_others() {
    let parts = Cluster::standard().state.clone().split();
    let acme = &parts.tenants[&name::<TenantRef>(ACME)];
    let texts = [
        serde_json::to_string(&acme.root).unwrap(),
        serde_json::to_string(&acme.namespaces).unwrap(),
        serde_json::to_string(&acme.audiences).unwrap(),
    ];
    for text in texts {
        assert!(!text.contains(ACME), "{text}");
        let extra = text.replacen('{', r#"{"owner":"identity/globex","#, 1);
        assert!(serde_json::from_str::<RootPart>(&extra).is_err());
        assert!(serde_json::from_str::<NamespacePart>(&extra).is_err());
        assert!(serde_json::from_str::<AudiencePart>(&extra).is_err());
    }
}

#[test]
fn names_of_parts() {
    assert_eq!(part_name(&name::<Namespace>("shop")), "n8d");
    assert_eq!(part_name(&name::<Identifier>("shop")), "a8d");
    assert_eq!(part_name(&name::<Identifier>(ORDERS)), "aa5");
}
