//! Discovery, keys, and the pod as a protected resource.

use std::collections::BTreeSet;

use mintage_core::Alg;
use mintage_sidecar::server::Limits;
use serde_json::{Value, json};

use crate::cluster::{Cluster, Forge, LEDGER, ORDERS};
use crate::pod::{Pod, identity};
use crate::tokens;

#[tokio::test]
async fn discovery_names_the_issuer_and_this_loopback() {
    let pod = Pod::checkout();
    let base = pod.url("");
    let oidc = pod.get("/.well-known/openid-configuration").await;
    assert_eq!(oidc.header("content-type"), "application/json");
    let expected = json!({
        "issuer": "https://acme.test/",
        "token_endpoint": format!("{base}/oauth/token"),
        "introspection_endpoint": format!("{base}/introspect"),
        "jwks_uri": format!("{base}/.well-known/jwks.json"),
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "token_endpoint_auth_methods_supported": ["none"],
        "introspection_endpoint_auth_methods_supported": ["none"],
        "id_token_signing_alg_values_supported": ["RS256", "PS256", "ES256", "EdDSA"],
        "scopes_supported": ["pay", "post", "read:orders", "read:reports", "write:orders"],
    });
    let mut found = oidc.json();
    let sort = |value: &mut Value| {
        value["id_token_signing_alg_values_supported"]
            .as_array_mut()
            .unwrap()
            .sort_by_key(Value::to_string);
    };
    let mut expected = expected;
    sort(&mut expected);
    sort(&mut found);
    assert_eq!(found, expected);
    let oauth = pod.get("/.well-known/oauth-authorization-server").await;
    assert_eq!(oauth.body, oidc.body);
}

#[tokio::test]
async fn the_key_set_has_the_keys_that_the_pod_trusts_and_no_others() {
    let cluster = Cluster::standard();
    let kids = async |pod: &Pod| -> BTreeSet<String> {
        let set = pod.get("/.well-known/jwks.json").await;
        assert_eq!(set.status, 200);
        assert!(!set.body.contains("\"d\""), "a private part");
        let set = set.json();
        let keys = set["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    };
    let kid = |owner: &str, alg: Alg| cluster.key(owner, alg).kid().to_string();
    let (acme, acme_reports) = (
        kid("identity/acme", Alg::RS256),
        kid("identity/acme", Alg::PS256),
    );
    let shop = |alg| kid("identity/acme/shop", alg);

    let own = BTreeSet::from([
        acme.clone(),
        acme_reports.clone(),
        shop(Alg::RS256),
        shop(Alg::ES256),
        shop(Alg::EdDSA),
    ]);
    assert_eq!(kids(&Pod::checkout()).await, own);

    let orders = kids(&Pod::orders()).await;
    let signer = Forge::of(&tokens::good()).header["kid"].clone();
    assert!(orders.contains(signer.as_str().unwrap()));
    for granted in ["identity/acme/shop-evil", "identity/acme/other"] {
        assert!(orders.contains(&kid(granted, Alg::RS256)), "{granted}");
    }
    assert!(!orders.contains(&kid("identity/globex/shop", Alg::RS256)));

    // Of namespaces that were granted other audiences of the pod's namespace only, none is listed.
    let ledger = kids(&Pod::of(cluster, "orders/api", "ledger")).await;
    assert!(ledger.contains(&shop(Alg::EdDSA)));
    assert!(!ledger.contains(&kid("identity/acme/other", Alg::RS256)));
}

#[tokio::test]
async fn the_pod_as_a_protected_resource() {
    let one = Pod::orders();
    let found = one.get("/.well-known/oauth-protected-resource").await;
    let expected = json!({
        "resource": ORDERS,
        "authorization_servers": ["https://acme.test/", "https://login.acme.test/"],
        "jwks_uri": one.url("/.well-known/jwks.json"),
        "scopes_supported": ["admin:orders", "read:orders", "write:orders"],
        "bearer_methods_supported": ["header"],
    });
    assert_eq!(found.json(), expected);
    let two = Pod::of(Cluster::standard(), "orders/api", "orders,ledger");
    let two = two
        .get("/.well-known/oauth-protected-resource")
        .await
        .json();
    assert_eq!(two["mintage_accepted_audiences"], json!([LEDGER, ORDERS]));
    let none = Pod::checkout();
    let none = none.get("/.well-known/oauth-protected-resource").await;
    none.refused(
        403,
        "access_denied",
        "audience-not-chosen",
        "namespace shop has no",
    );
}

#[tokio::test]
async fn without_a_bundle_there_are_no_documents() {
    let pod = Pod::empty(identity("orders/api", "orders"), Limits::default());
    let paths = [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/.well-known/jwks.json",
        "/.well-known/oauth-protected-resource",
    ];
    for path in paths {
        let refused = pod.get(path).await;
        refused.refused(503, "temporarily_unavailable", "bundle-missing", "");
    }
    pod.load(Cluster::standard());
    for path in paths {
        assert_eq!(pod.get(path).await.status, 200, "{path}");
        let posted = crate::pod::answer(pod.client.post(pod.url(path))).await;
        posted.refused(405, "invalid_request", "method", "this path takes GET");
    }
    let other = pod.get("/.well-known/other").await;
    other.refused(404, "invalid_request", "path", "there is no");
}
