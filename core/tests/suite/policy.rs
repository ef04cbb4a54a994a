//! Who gets which token; every refusal begins with Auth0's own text and names its rule.

use mintage_core::mint::NoOrder;
use mintage_core::policy::{Refusal, Request};
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
fn a_huge_audience_does_not_fill_the_answer() {
    let huge = "x".repeat(100_000);
    let refusal = refusal(
        Cluster::standard(),
        "shop/checkout",
        Some(huge.as_str()),
        None,
    );
    assert_eq!(refusal.code(), "audience-unknown");
    assert!(refusal.to_string().len() < 1000);
}

#[test]
fn scopes_that_are_no_scopes() {
    let cluster = Cluster::standard();
    for scope in [
        "read:orders \"x\"",
        "read\torders",
        "a\\b",
        "\u{e9}",
        "  ",
        "read:orders  write:orders",
        " read:orders",
        "read:orders ",
    ] {
        let refusal = refusal(cluster, "shop/checkout", Some(ORDERS), Some(scope));
        assert_eq!(refusal.code(), "scope-malformed", "{scope}");
        let spaces = scope.split(' ').any(str::is_empty);
        let says = refusal.to_string().contains("one space between any two");
        assert_eq!(says, spaces, "{refusal}");
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
        orders.grants.push(grant("shop/late", "read:orders"));
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
        (Some("write:orders read:orders"), "read:orders write:orders"),
        (Some("write:orders write:orders"), "write:orders"),
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
fn the_leeway_is_half_a_minute() {
    assert_eq!(
        LEEWAY, 30,
        "docs and messages say so, and fault F4 allows a minute at most"
    );
}
