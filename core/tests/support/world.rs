//! What is declared.

use std::collections::{BTreeMap, BTreeSet};

use mintage_core::world::{
    AllowedNamespaces, Audience, AudienceAlg, CustomDomain, Dialect, Grant, Grantee, Issuance,
    LabelSelector, NamespaceInfo, Tenant, UserRules, World,
};
use mintage_core::{Alg, Namespace, UnixTime};

use super::name;

/// The moment at which the tests play: in November 2026.
pub const NOW: UnixTime = UnixTime(1_795_000_000);

pub const ACME: &str = "identity/acme";
pub const GLOBEX: &str = "identity/globex";

/// RS256, Auth0 dialect, Local, a day.
pub const ORDERS: &str = "https://orders.test";
/// ES256, RFC 9068, Local, ten minutes.
pub const PAYMENTS: &str = "https://payments.test";
/// EdDSA, RFC 9068, Local, an hour.
pub const LEDGER: &str = "https://ledger.test";
/// PS256, Auth0 dialect, Central, an hour.
pub const REPORTS: &str = "https://reports.test";

/// A tenant that serves every namespace with the label `<name>: "yes"`.
pub fn tenant(at: &str, domain: &str) -> Tenant {
    let label = at.split_once('/').unwrap().1.to_owned();
    let selector = LabelSelector {
        match_labels: BTreeMap::from([(label, "yes".to_owned())]),
        requirements: Vec::new(),
    };
    Tenant {
        allow_non_rsa: false,
        allowed: AllowedNamespaces::Selector(selector),
        at: name(at),
        created: NOW - 1000,
        default_audience: None,
        deleting: false,
        domain: name(domain),
        endpoint: None,
        key_secret: None,
        max_bundle_age: 86_400,
        propagation_delay: 300,
        release_claims: BTreeSet::new(),
        revoke_keys: BTreeSet::new(),
        rotate_request: None,
        rotation_period: 30 * 86_400,
        uid: name(&format!("uid-{}", at.replace('/', "-"))),
        unreadable: Vec::new(),
    }
}

/// A namespace that both tenants serve.
pub fn namespace(text: &str) -> (Namespace, NamespaceInfo) {
    let yes = |label: &str| (label.to_owned(), "yes".to_owned());
    let info = NamespaceInfo {
        labels: BTreeMap::from([yes("acme"), yes("globex")]),
        opted_in: true,
        uid: name(&format!("uid-{text}")),
    };
    (name(text), info)
}

/// A Local RS256 audience of the Auth0 dialect with a day's life, without scopes and grants.
pub fn audience(tenant: &str, at: &str, identifier: &str) -> Audience {
    Audience {
        about: None,
        alg: AudienceAlg::Asymmetric(Alg::RS256),
        at: name(at),
        created: NOW - 500,
        dialect: Dialect::Auth0,
        grants: Vec::new(),
        identifier: name(identifier),
        issuance: Issuance::Local,
        lifetime: 86_400,
        revoke_now: false,
        scopes: Vec::new(),
        tenant: name(tenant),
        uid: name(&format!("uid-{}", at.replace('/', "-"))),
        users: UserRules::default(),
    }
}

/// A grant to a workload; `scopes` with spaces between them.
pub fn grant(workload: &str, scopes: &str) -> Grant {
    Grant {
        scopes: scopes.split_whitespace().map(name).collect(),
        to: Grantee::Workload(name(workload)),
    }
}

/// A verified custom domain.
pub fn custom_domain(at: &str, tenant: &str, domain: &str) -> CustomDomain {
    CustomDomain {
        certificate: None,
        at: name(at),
        created: NOW - 200,
        domain: name(domain),
        tenant: name(tenant),
        uid: name(&format!("uid-{}", at.replace('/', "-"))),
        verified: true,
    }
}

/// The world most tests start from.
pub fn standard() -> World {
    let scopes = |text: &str| text.split(' ').map(name).collect();
    let orders = Audience {
        scopes: scopes("read:orders write:orders admin:orders"),
        grants: vec![
            grant("shop/checkout", "read:orders write:orders"),
            grant("shop/audit", "read:orders"),
            grant("shop-evil/checkout", "read:orders"),
            grant("other/worker", "read:orders"),
        ],
        ..audience(ACME, "orders/orders", ORDERS)
    };
    let payments = Audience {
        alg: AudienceAlg::Asymmetric(Alg::ES256),
        dialect: Dialect::Rfc9068,
        lifetime: 600,
        scopes: scopes("pay refund"),
        grants: vec![grant("shop/checkout", "pay"), grant("orders/api", "refund")],
        ..audience(ACME, "payments/payments", PAYMENTS)
    };
    let ledger = Audience {
        alg: AudienceAlg::Asymmetric(Alg::EdDSA),
        dialect: Dialect::Rfc9068,
        lifetime: 3600,
        scopes: scopes("post"),
        grants: vec![grant("shop/checkout", "post")],
        ..audience(ACME, "orders/ledger", LEDGER)
    };
    let reports = Audience {
        alg: AudienceAlg::Asymmetric(Alg::PS256),
        issuance: Issuance::Central,
        lifetime: 3600,
        scopes: scopes("read:reports"),
        grants: vec![grant("shop/checkout", "read:reports")],
        ..audience(ACME, "payments/reports", REPORTS)
    };
    let globex_orders = Audience {
        scopes: scopes("read:orders"),
        grants: vec![grant("shop/checkout", "read:orders")],
        ..audience(GLOBEX, "orders/globex-orders", ORDERS)
    };
    World {
        applications: Vec::new(),
        audiences: [orders, payments, ledger, reports, globex_orders]
            .map(Into::into)
            .to_vec(),
        domains: vec![custom_domain("identity/login", ACME, "login.acme.test")],
        namespaces: [
            "identity",
            "orders",
            "payments",
            "shop",
            "shop-evil",
            "other",
        ]
        .map(namespace)
        .into(),
        tenants: vec![
            tenant(ACME, "acme.test"),
            tenant(GLOBEX, "globex.test:7743"),
        ],
    }
}
