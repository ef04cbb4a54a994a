//! The world of the model: one tenant, the client `shop/checkout`, the API of `orders`.

use std::cell::RefCell;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mintage_core::bundle::PrivateEntry;
use mintage_core::jose::{Jwk, Pkcs8, PrivateKey};
use mintage_core::world::{
    AllowedNamespaces, Audience, AudienceAlg, Dialect, Grant, Grantee, Issuance, NamespaceInfo,
    Tenant, World,
};
use mintage_core::{
    Alg, Domain, Identifier, Namespace, ObjectName, ObjectRef, Scope, Seconds, TenantRef, Uid,
    UnixTime, WorkloadId,
};

/// The moment 0 of the model.
pub const START: UnixTime = UnixTime(1_800_000_000);
/// The step of receivers, tokens and checks. The leeway is two of them, the propagation delay five.
pub const TICK: Seconds = 15;
/// `signing.propagationDelay`.
pub const DELAY: Seconds = 5 * TICK;
/// The lifetimes that scenarios choose between; the middle one is in force at first.
pub const SHORT: Seconds = 60;
pub const MIDDLE: Seconds = 90;
pub const LONG: Seconds = 120;

pub const API: &str = "https://orders.example.com";

pub fn tenant_ref() -> TenantRef {
    TenantRef::parse("identity/acme").unwrap()
}

pub fn shop() -> Namespace {
    Namespace::parse("shop").unwrap()
}

pub fn orders() -> Namespace {
    Namespace::parse("orders").unwrap()
}

pub fn checkout() -> WorkloadId {
    WorkloadId::new(shop(), ObjectName::parse("checkout").unwrap())
}

pub fn scope(name: &str) -> Scope {
    Scope::parse(name).unwrap()
}

fn uid(value: &str) -> Uid {
    Uid::parse(value).unwrap()
}

/// The grant of the API to `shop/checkout` with these scopes.
pub fn grant(scopes: &[&str]) -> Grant {
    Grant {
        scopes: scopes.iter().map(|name| scope(name)).collect(),
        to: Grantee::Workload(checkout()),
    }
}

/// The declared resources at the start.
pub fn world(rotation_period: Seconds, grants: Vec<Grant>) -> World {
    let namespace = |name: &Namespace| {
        let info = NamespaceInfo {
            labels: BTreeMap::new(),
            opted_in: true,
            uid: uid(name.as_str()),
        };
        (name.clone(), info)
    };
    let tenant = Tenant {
        allow_non_rsa: false,
        allowed: AllowedNamespaces::All,
        at: tenant_ref(),
        created: START,
        default_audience: None,
        deleting: false,
        domain: Domain::parse("acme.example.com").unwrap(),
        endpoint: None,
        key_secret: None,
        max_bundle_age: 86_400,
        propagation_delay: DELAY,
        release_claims: [].into(),
        revoke_keys: [].into(),
        rotate_request: None,
        rotation_period,
        uid: uid("tenant"),
        unreadable: Vec::new(),
    };
    let audience = Audience {
        about: None,
        alg: AudienceAlg::Asymmetric(Alg::EdDSA),
        at: ObjectRef::parse("orders/api").unwrap(),
        created: START,
        dialect: Dialect::Auth0,
        grants,
        identifier: Identifier::parse(API).unwrap(),
        issuance: Issuance::Local,
        lifetime: MIDDLE,
        revoke_now: false,
        scopes: vec![scope("read"), scope("write")],
        tenant: tenant_ref(),
        uid: uid("audience"),
        users: mintage_core::world::UserRules::default(),
    };
    World {
        applications: Vec::new(),
        audiences: vec![audience.into()],
        domains: Vec::new(),
        namespaces: [shop(), orders()].iter().map(namespace).collect(),
        tenants: vec![tenant],
    }
}

/// Lets the tenant sign the API's tokens.
pub fn sign_centrally(world: &mut World) {
    world.tenants[0].allow_non_rsa = true;
    world.audiences[0].issuance = Issuance::Central;
}

/// The Secret with the keys that the tenant's admin brings.
pub fn secret() -> ObjectName {
    ObjectName::parse("keys").unwrap()
}

/// The `index`th key of an algorithm: the same in every scenario, so that tokens can be remembered between them.
pub fn key(alg: Alg, index: usize) -> (Jwk, PrivateEntry) {
    type Made = BTreeMap<(Alg, usize), (Jwk, PrivateEntry)>;
    thread_local! {
        static MADE: RefCell<Made> = const { RefCell::new(BTreeMap::new()) };
    }
    let make = || {
        let pkcs8 = match alg {
            Alg::EdDSA => ed25519(u8::try_from(index).unwrap()),
            _ => Pkcs8::generate(alg).unwrap(),
        };
        let jwk = PrivateKey::from_pkcs8(alg, &pkcs8).unwrap().jwk().clone();
        let kid = jwk.kid.clone();
        (jwk, PrivateEntry { kid, alg, pkcs8 })
    };
    MADE.with_borrow_mut(|made| made.entry((alg, index)).or_insert_with(make).clone())
}

/// An Ed25519 key from a fixed seed, because the moment of a scheduled rotation depends on the key's name.
fn ed25519(seed: u8) -> Pkcs8 {
    // RFC 8410 section 7: the algorithm, then the seed as an octet string in an octet string.
    let mut der = vec![
        0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
    ];
    der.extend([seed; 32]);
    serde_json::from_value(STANDARD.encode(der).into()).unwrap()
}
