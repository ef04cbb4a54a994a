//! Envoy's `ext_authz`: the same verdicts as `/validate`, in other words.

use std::collections::BTreeMap;

use mintage_sidecar::server::Limits;

use crate::cluster::{ACME, Cluster, LEDGER, ORDERS};
use crate::envoy::messages::{
    CheckRequest, HeaderMap, HeaderValue, HealthCheckRequest, HealthCheckResponse,
};
use crate::envoy::{CHECK, HEALTH, bearing, call, check, denied, orders, passed, question};
use crate::pod::{Pod, identity};
use crate::tokens;

#[tokio::test]
async fn a_good_token_passes_with_what_it_says() {
    let pod = orders();
    let (told, removed) = passed(check(&pod, bearing(&tokens::good())).await);
    let told: BTreeMap<_, _> = told.into_iter().collect();
    let expected = [
        ("x-mintage-audience", ORDERS),
        ("x-mintage-client", "shop/checkout"),
        ("x-mintage-scope", "read:orders write:orders"),
        ("x-mintage-subject", "shop/checkout@clients"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(told, BTreeMap::from(expected));
    assert_eq!(removed, Vec::<String>::new());
    let path = "/envoy.service.auth.v3.Authorization/Check";
    let served = format!("mintage_requests_total{{route=\"{path}\",status=\"200\"}}");
    assert_eq!(pod.metric(&served), 1);
    let accepted = "mintage_token_checks_total{route=\"ext_authz\",outcome=\"accepted\"}";
    assert_eq!(pod.metric(accepted), 1);
}

#[tokio::test]
async fn whatever_validate_says_is_said_here() {
    let pod = orders();
    let good = tokens::good();
    let every = tokens::bad().into_iter().map(|(_, token)| token);
    let mut refused = 0;
    for token in every.chain([good]) {
        let by_http = pod.validate("", &token).await;
        let answer = check(&pod, bearing(&token)).await;
        if by_http.status == 200 {
            for (name, value) in passed(answer).0 {
                assert_eq!(by_http.header(&name), value);
            }
            continue;
        }
        let denied = denied(answer);
        assert_eq!(denied.status, i32::from(by_http.status));
        assert_eq!(denied.code, 16, "unauthenticated");
        for name in ["www-authenticate", "cache-control"] {
            assert_eq!(denied.headers[name], by_http.header(name));
        }
        assert_eq!(denied.body, by_http.body);
        refused += 1;
    }
    assert_eq!(refused, tokens::bad().len());
}

#[tokio::test]
async fn without_a_token_the_challenge_is_bare() {
    let pod = orders();
    let good = tokens::good();
    let token = format!("Token {good}");
    for headers in [
        &[][..],
        &[("authorization", "Bearer")],
        &[("authorization", &*token)],
        &[("x-access-token", &*good)],
        &[("authorization", "Bearer \n")],
    ] {
        let denied = denied(check(&pod, question(headers, &[])).await);
        assert_eq!(denied.status, 401, "{headers:?}");
        assert_eq!(
            denied.headers["www-authenticate"],
            "Bearer realm=\"acme.test\""
        );
    }
}

#[tokio::test]
async fn the_configuration_narrows_and_opens_nothing() {
    let both = Pod::of(Cluster::standard(), "orders/api", "orders,ledger");
    let only = orders();
    let of_orders = tokens::good();
    let of_ledger = Cluster::standard().token(ACME, "shop/checkout", LEDGER);
    let two = format!("{ORDERS} {LEDGER}");
    let status = async |pod: &Pod, token: &str, extensions: &[(&str, &str)]| {
        let bearer = format!("Bearer {token}");
        let asked = question(&[("authorization", &bearer)], extensions);
        let answer = check(pod, asked).await;
        if answer
            .status
            .as_ref()
            .is_some_and(|status| status.code == 0)
        {
            passed(answer);
            return 200;
        }
        denied(answer).status
    };
    for (extensions, expected) in [
        (&[][..], [200, 200]),
        (&[("audience", ORDERS)], [200, 401]),
        (&[("audience", LEDGER)], [401, 200]),
        (&[("audience", &*two)], [200, 200]),
        (
            &[("audience", ORDERS), ("scope", "write:orders")],
            [200, 401],
        ),
        (
            &[("audience", ORDERS), ("scope", "admin:orders")],
            [403, 401],
        ),
        (&[("scopes", "write:orders")], [400, 400]),
        (&[("audience", "https://elsewhere.test")], [403, 403]),
    ] {
        let found = [
            status(&both, &of_orders, extensions).await,
            status(&both, &of_ledger, extensions).await,
        ];
        assert_eq!(found, expected, "{extensions:?}");
    }
    assert_eq!(
        status(&only, &of_ledger, &[("audience", LEDGER)]).await,
        403
    );

    let bearer = format!("Bearer {of_orders}");
    let asked = question(&[("authorization", &bearer)], &[("scope", "admin:orders")]);
    let lacking = denied(check(&only, asked).await);
    let challenge = lacking.headers["www-authenticate"].to_str().unwrap();
    assert!(
        challenge.contains("error=\"insufficient_scope\""),
        "{challenge}"
    );
    assert!(challenge.ends_with("scope=\"admin:orders\""), "{challenge}");
    assert_eq!(lacking.code, 7, "permission denied");
}

#[tokio::test]
async fn what_clients_send_under_our_names_is_overwritten_or_removed() {
    let pod = orders();
    let bearer = format!("Bearer {}", tokens::good());
    let asked = question(
        &[
            ("authorization", &bearer),
            ("x-mintage-subject", "spoofed"),
            ("x_mintage_subject", "spoofed"),
            ("x-mintage-role", "admin"),
            ("X-Mintage-Tenant", "other"),
            ("x-mintagelike", "stays"),
        ],
        &[],
    );
    let (told, removed) = passed(check(&pod, asked).await);
    assert_eq!(told.len(), 4);
    assert_eq!(
        removed,
        ["x-mintage-role", "x-mintage-tenant", "x_mintage_subject"]
    );
}

#[tokio::test]
async fn raw_headers_are_read_too() {
    let pod = orders();
    let raw = |pairs: &[(&str, &[u8])]| {
        let mut asked = question(&[], &[]);
        let attributes = asked.attributes.as_mut().unwrap();
        let http = attributes.request.as_mut().unwrap().http.as_mut().unwrap();
        let headers = pairs.iter().map(|(name, value)| HeaderValue {
            key: (*name).to_owned(),
            value: String::new(),
            raw_value: value.to_vec(),
        });
        http.header_map = Some(HeaderMap {
            headers: headers.collect(),
        });
        asked
    };
    let bearer = format!("Bearer {}", tokens::good());
    let bearer = ("authorization", bearer.as_bytes());
    passed(check(&pod, raw(&[bearer, ("x-latin", b"\xfc")])).await);
    // Two opinions on who asks.
    let twice = denied(check(&pod, raw(&[bearer, bearer])).await);
    assert_eq!(twice.status, 400);
    assert!(
        twice.body.contains("authorization-repeated"),
        "{}",
        twice.body
    );
}

#[tokio::test]
async fn without_a_usable_bundle_nothing_passes_and_health_says_so() {
    let serving = async |pod: &Pod, service: &str| {
        let service = service.to_owned();
        call::<_, HealthCheckResponse>(pod.ext_authz, HEALTH, HealthCheckRequest { service }).await
    };
    let pod = Pod::empty(identity("orders/api", "orders"), Limits::default());
    let missing = denied(check(&pod, bearing(&tokens::good())).await);
    assert_eq!((missing.status, missing.code), (503, 14));
    assert_eq!(missing.headers["retry-after"], "5");
    assert!(missing.body.contains("(bundle-missing"), "{}", missing.body);
    assert_eq!(serving(&pod, "").await.unwrap().status, 2);
    pod.load(Cluster::standard());
    passed(check(&pod, bearing(&tokens::good())).await);
    for service in ["", "envoy.service.auth.v3.Authorization"] {
        assert_eq!(serving(&pod, service).await.unwrap().status, 1);
    }
    let unknown = serving(&pod, "elsewhere").await.unwrap_err();
    assert_eq!(unknown.code(), tonic::Code::NotFound);
    pod.shared.drain();
    assert_eq!(serving(&pod, "").await.unwrap().status, 2);
}

#[tokio::test]
async fn a_question_about_no_http_request_is_an_error() {
    let pod = orders();
    let nothing = CheckRequest { attributes: None };
    let refused = call::<_, CheckRequest>(pod.ext_authz, CHECK, nothing).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    assert!(refused.message().contains("network filter"), "{refused:?}");
}
