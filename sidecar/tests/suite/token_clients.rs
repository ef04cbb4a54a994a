//! `POST /oauth/token`: which clients may ask, and by which grant.

use serde_json::json;

use crate::cluster::ORDERS;
use crate::pod::{Pod, answer};

#[tokio::test]
async fn grant_types() {
    let pod = Pod::checkout();
    let good = [("grant_type", "client_credentials"), ("audience", ORDERS)];
    assert_eq!(answer(pod.ask(&good)).await.status, 200);
    for (grant_type, status, error, rule, text) in [
        (
            "authorization_code",
            403,
            "unauthorized_client",
            "grant-type-of-others",
            "Grant type 'authorization_code' not allowed for the client.",
        ),
        (
            "password",
            403,
            "unauthorized_client",
            "grant-type-of-others",
            "Grant type 'password' not allowed for the client.",
        ),
        (
            "Client_Credentials",
            400,
            "unsupported_grant_type",
            "grant-type-unknown",
            "",
        ),
        ("", 400, "invalid_request", "grant-type-missing", ""),
    ] {
        let refused = answer(pod.ask(&[("grant_type", grant_type), ("audience", ORDERS)])).await;
        refused.refused(status, error, rule, text);
    }
}

#[tokio::test]
async fn a_client_that_names_itself_must_be_the_pod() {
    let pod = Pod::checkout();
    let json = |client: &str| {
        let body =
            json!({"grant_type": "client_credentials", "audience": ORDERS, "client_id": client});
        pod.client.post(pod.url("/oauth/token")).json(&body)
    };
    let form = |client: &str| pod.ask(&[("audience", ORDERS), ("client_id", client)]);
    let basic = |client: &str| {
        pod.ask(&[("audience", ORDERS)])
            .basic_auth(client, Some("any"))
    };
    let bearer = pod.ask(&[("audience", ORDERS)]).bearer_auth("x");
    for request in [
        form("shop/checkout"),
        json("shop/checkout"),
        basic("shop/checkout"),
        basic("shop%2Fcheckout"),
        form(""),
    ] {
        assert_eq!(answer(request).await.status, 200);
    }
    let headers = [
        basic("shop/audit"),
        basic(""),
        form("shop/checkout ").basic_auth("shop/checkout", Some("")),
        bearer,
    ];
    let bodies = [form("shop/audit"), json("orders/checkout")];
    // RFC 6749 section 5.2: a challenge for who tried the header.
    let challenge = format!("Basic realm=\"{}\"", pod.domain());
    for (requests, challenge) in [(&headers[..], &*challenge), (&bodies[..], "")] {
        for request in requests {
            let refused = answer(request.try_clone().unwrap()).await;
            refused.refused(401, "access_denied", "client-not-own", "Unauthorized");
            assert_eq!(refused.header("www-authenticate"), challenge);
        }
    }
}
