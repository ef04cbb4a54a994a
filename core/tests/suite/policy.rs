//! Who gets which token; every refusal begins with Auth0's own text and names its rule.

use mintage_core::mint::NoOrder;
use mintage_core::policy::{Refusal, Request};
use mintage_core::verify::{NotAccepted, accepted};
use mintage_core::{Domain, LEEWAY};

use crate::support::{
    ACME, Cluster, Forge, LEDGER, NOW, ORDERS, PAYMENTS, REPORTS, grant, name, standard,
};

fn refusal(
    cluster: &Cluster,
    workload: &str,
    audience: Option<&str>,
    scope: Option<&str>,
) -> Refusal {
    match cluster.ask(ACME, workload, audience, scope) {
        Err(NoOrder::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

/// The text begins with Auth0's, then names the rule in brackets.
fn assert_says(refusal: &Refusal, auth0: &str, code: &str) {
    let text = refusal.to_string();
    assert!(text.starts_with(auth0), "{text}");
    assert!(text.contains(&format!("({code}: ")), "{text}");
    assert_eq!(refusal.code(), code);
}

fn scope_of(token: &str) -> String {
    let claims = Forge::of(token).claims;
    claims
        .get("scope")
        .map_or(String::new(), |scope| scope.as_str().unwrap().to_owned())
}

#[test]
fn an_audience_that_does_not_exist() {
    let cluster = Cluster::standard();
    for audience in [
        "https://nowhere.test",
        "https://orders.test/",
        "orders",
        "a b",
    ] {
        let refusal = refusal(cluster, "shop/checkout", Some(audience), None);
        assert_says(
            &refusal,
            &format!("Service not enabled within domain: {audience}"),
            "audience-unknown",
        );
    }
    // An audience that grants this namespace nothing is as unknown as one that does not exist.
    let refusal = refusal(cluster, "other/worker", Some(PAYMENTS), None);
    assert_eq!(refusal.code(), "audience-unknown");
}

#[test]
fn a_workload_without_a_grant() {
    let refusal = refusal(Cluster::standard(), "shop/nobody", Some(ORDERS), None);
    let auth0 = "Client is not authorized to access \"https://orders.test\". You need to create a \"client-grant\" associated to this API.";
    assert_says(&refusal, auth0, "grant-missing");
    let mend = "{workload: {namespace: shop, serviceAccount: nobody}}";
    assert!(refusal.to_string().contains(mend), "{refusal}");
}

#[test]
fn scopes_that_are_not_granted() {
    let cluster = Cluster::standard();
    let ask = |scope| refusal(cluster, "shop/checkout", Some(ORDERS), Some(scope));
    let one = ask("read:orders admin:orders");
    assert_says(
        &one,
        "Client has not been granted scopes: admin:orders",
        "scope-not-granted",
    );
    assert!(
        one.to_string().contains("read:orders write:orders"),
        "{one}"
    );
    let undeclared = ask("fly");
    assert_says(
        &undeclared,
        "Client has not been granted scopes: fly",
        "scope-not-granted",
    );
    let several = ask("fly admin:orders");
    assert_says(
        &several,
        "Client has not been granted scopes: fly admin:orders",
        "scope-not-granted",
    );
}

#[test]
fn scopes_that_are_no_scopes() {
    let cluster = Cluster::standard();
    for scope in ["read:orders \"x\"", "read\torders", "a\\b", "\u{e9}"] {
        let refusal = refusal(cluster, "shop/checkout", Some(ORDERS), Some(scope));
        assert_eq!(refusal.code(), "scope-malformed", "{scope}");
    }
    let long = "x".repeat(100_000);
    let refusal = refusal(cluster, "shop/checkout", Some(ORDERS), Some(&long));
    assert!(
        refusal.to_string().len() < 400,
        "a hostile value does not fill the answer"
    );
}

#[test]
fn no_audience_and_no_default() {
    for audience in [None, Some("")] {
        let refusal = refusal(Cluster::standard(), "shop/checkout", audience, None);
        assert_says(&refusal, "audience is missing", "audience-missing");
    }
}

#[test]
fn audiences_that_stand_for_users() {
    let cluster = Cluster::standard();
    for audience in [
        "acme.test",
        "https://acme.test/",
        "https://acme.test/userinfo",
        "login.acme.test",
        "https://login.acme.test/userinfo",
    ] {
        let refusal = refusal(cluster, "shop/checkout", Some(audience), None);
        let auth0 = format!("Service not enabled within domain: {audience}");
        assert_says(&refusal, &auth0, "audience-for-users");
    }
    let management = refusal(
        cluster,
        "shop/checkout",
        Some("https://acme.test/api/v2/"),
        None,
    );
    assert_says(
        &management,
        "Client is not authorized to access \"https://acme.test/api/v2/\".",
        "grant-missing",
    );
}

#[test]
fn a_domain_that_is_not_the_tenants() {
    let cluster = Cluster::standard();
    for domain in ["evil.test", "globex.test:7743", "acme.test:7743"] {
        let domain: Domain = name(domain);
        let mint = cluster.mint_with(ACME, "shop/checkout", Some(&domain), false);
        let request = Request {
            audience: Some(ORDERS),
            scope: None,
        };
        match mint.order(NOW, request) {
            Err(NoOrder::Refused(refusal)) => {
                assert_eq!(refusal.code(), "domain-not-served");
                assert!(refusal.to_string().contains(domain.as_str()), "{refusal}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_grant_of_a_moment_ago_waits_until_validators_know() {
    let mut cluster = Cluster::new(standard());
    cluster.edit_audience("orders/orders", |orders| {
        orders.grants.push(grant("shop/late", "read:orders"))
    });
    let refusal = refusal(&cluster, "shop/late", Some(ORDERS), None);
    let text = "Client is not authorized to access \"https://orders.test\" yet";
    assert_says(&refusal, text, "grant-pending");
    assert!(
        matches!(refusal, Refusal::GrantPending { seconds: 300, .. }),
        "{refusal:?}"
    );
    cluster.advance_to(NOW + 299);
    let refusal = self::refusal(&cluster, "shop/late", Some(ORDERS), None);
    assert!(
        matches!(refusal, Refusal::GrantPending { seconds: 1, .. }),
        "{refusal:?}"
    );
    cluster.advance_to(NOW + 300);
    assert_eq!(
        scope_of(&cluster.token(ACME, "shop/late", ORDERS)),
        "read:orders"
    );
}

#[test]
fn scopes_are_in_the_order_the_api_declares() {
    let cluster = Cluster::standard();
    for (asked, given) in [
        (None, "read:orders write:orders"),
        (Some(""), "read:orders write:orders"),
        (Some("  "), "read:orders write:orders"),
        (Some("write:orders read:orders"), "read:orders write:orders"),
        (Some("write:orders  write:orders"), "write:orders"),
        (Some("read:orders"), "read:orders"),
    ] {
        let token = cluster
            .ask(ACME, "shop/checkout", Some(ORDERS), asked)
            .unwrap();
        assert_eq!(scope_of(&token), given, "{asked:?}");
    }
}

#[test]
fn what_a_workload_is_offered() {
    let mint = Cluster::standard().mint(ACME, "shop/checkout");
    let offers = mint.policy().offers(NOW);
    let offers: Vec<_> = offers
        .map(|(audience, terms, scope)| (audience.to_string(), terms.alg.as_str(), scope))
        .collect();
    let expected = [
        (LEDGER, "EdDSA", "post"),
        (ORDERS, "RS256", "read:orders write:orders"),
        (PAYMENTS, "ES256", "pay"),
        (REPORTS, "PS256", "read:reports"),
    ];
    assert_eq!(
        offers,
        expected.map(|(a, b, c)| (a.to_owned(), b, c.to_owned()))
    );
    let nobody = Cluster::standard().mint(ACME, "shop/nobody");
    assert_eq!(nobody.policy().offers(NOW).count(), 0);
}

#[test]
fn central_tokens_need_the_tenants_key() {
    let mint = Cluster::standard().mint(ACME, "shop/checkout");
    let request = Request {
        audience: Some(REPORTS),
        scope: None,
    };
    let refused = mint.order(NOW, request).unwrap_err();
    assert_eq!(refused.code(), "issuance-central");
    assert!(refused.to_string().contains(REPORTS), "{refused}");
}

#[test]
fn a_mint_without_keys_says_so() {
    let body = &Cluster::standard().bundle(ACME, "shop").body;
    let mint = mintage_core::mint::Mint::new(body, name("shop/checkout"), None, &[]).unwrap();
    let request = Request {
        audience: Some(ORDERS),
        scope: None,
    };
    let refused = mint.order(NOW, request).unwrap_err();
    assert_eq!(
        refused,
        NoOrder::KeyUnavailable {
            alg: mintage_core::Alg::RS256
        }
    );
    assert!(refused.to_string().contains("try again"), "{refused}");
    assert_eq!(refused.code(), "key-unavailable");
}

#[test]
fn a_workload_of_another_namespace_has_nothing_of_this_bundle() {
    let cluster = Cluster::standard();
    let body = &cluster.bundle(ACME, "shop").body;
    let owner = mintage_core::keyring::Owner::namespace(name(ACME), name("shop"));
    let files = [cluster.keyring_file(&owner)];
    let mint = mintage_core::mint::Mint::new(body, name("other/checkout"), None, &files).unwrap();
    let request = Request {
        audience: Some(ORDERS),
        scope: None,
    };
    assert_eq!(
        mint.order(NOW, request).unwrap_err().code(),
        "grant-missing"
    );
}

#[test]
fn an_order_is_signed_by_its_own_key_or_not_at_all() {
    let cluster = Cluster::standard();
    let request = Request {
        audience: Some(ORDERS),
        scope: None,
    };
    let order = cluster
        .mint(ACME, "shop/checkout")
        .order(NOW, request)
        .unwrap();
    let other = cluster.mint(ACME, "other/worker");
    assert!(other.sign(&order, [0; 16]).is_err());
    // A mint that has it in another place finds it.
    let reloaded = cluster.mint_with(ACME, "shop/checkout", None, true);
    let token = reloaded.sign(&order, [0; 16]).unwrap();
    assert!(cluster.judge(ACME, ORDERS, &token).is_ok());
}

#[test]
fn which_audiences_a_pod_accepts() {
    let cluster = Cluster::standard();
    let orders = &cluster.bundle(ACME, "orders").body;
    let shop = &cluster.bundle(ACME, "shop").body;
    let globex = &cluster.bundle(crate::support::GLOBEX, "orders").body;
    let only = accepted(globex, &[]).unwrap();
    assert_eq!(
        only.iter().map(|id| id.as_str()).collect::<Vec<_>>(),
        [ORDERS]
    );
    let named = accepted(orders, &[name("ledger")]).unwrap();
    assert_eq!(
        named.iter().map(|id| id.as_str()).collect::<Vec<_>>(),
        [LEDGER]
    );
    let ambiguous = accepted(orders, &[]).unwrap_err();
    assert!(
        matches!(ambiguous, NotAccepted::Ambiguous { .. }),
        "{ambiguous}"
    );
    assert!(
        ambiguous.to_string().contains("orders, ledger"),
        "{ambiguous}"
    );
    assert!(matches!(accepted(shop, &[]), Err(NotAccepted::None { .. })));
    let unknown = accepted(orders, &[name("payments")]).unwrap_err();
    assert!(matches!(unknown, NotAccepted::Unknown { .. }), "{unknown}");
}

#[test]
fn the_leeway_is_half_a_minute() {
    assert_eq!(
        LEEWAY, 30,
        "docs and messages say so, and fault F4 allows a minute at most"
    );
}
