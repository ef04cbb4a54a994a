//! One signature serves all equal orders of a second, and no other.

use std::collections::BTreeSet;

use mintage_core::Alg;
use mintage_core::policy::Request;

use crate::cluster::{ACME, Cluster, LEDGER, NOW, ORDERS, PAYMENTS};
use crate::pod::{Pod, answer};

/// How many signatures the pod made, of all algorithms.
fn signed(pod: &Pod) -> u64 {
    Alg::ALL
        .iter()
        .map(|alg| {
            pod.metric(&format!(
                "mintage_signing_duration_seconds_count{{alg=\"{alg}\"}}"
            ))
        })
        .sum()
}

#[tokio::test]
async fn the_shared_token_equals_a_fresh_one_to_the_byte() {
    let pod = Pod::checkout();
    let (first, second) = (pod.token(ORDERS).await, pod.token(ORDERS).await);
    assert_eq!(first, second);
    assert_eq!(signed(&pod), 1);

    let mint = Cluster::standard().mint(ACME, "shop/checkout");
    let request = Request {
        audience: Some(ORDERS),
        scope: None,
    };
    let order = mint.order(NOW, request).unwrap();
    assert!(order.is_repeatable());
    assert_eq!(first, mint.sign(&order, [9; 16]).unwrap());
}

#[tokio::test]
async fn another_second_or_scope_is_another_signature() {
    let pod = Pod::checkout();
    let mut tokens = BTreeSet::from([pod.token(ORDERS).await]);
    let narrower = answer(pod.ask(&[("audience", ORDERS), ("scope", "read:orders")])).await;
    tokens.insert(narrower.text("access_token"));
    pod.set_clock(NOW + 1);
    tokens.insert(pod.token(ORDERS).await);
    assert_eq!((tokens.len(), signed(&pod)), (3, 3));
    // A clock that was set back gets the token of that second, made anew.
    pod.set_clock(NOW);
    assert!(tokens.contains(&pod.token(ORDERS).await));
    assert_eq!(signed(&pod), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_first_requests_share_one_signing() {
    let pod = Pod::checkout();
    let requests: Vec<_> = (0..32)
        .map(|_| tokio::spawn(answer(pod.ask(&[("audience", ORDERS)]))))
        .collect();
    let mut tokens = BTreeSet::new();
    for request in requests {
        let answer = request.await.unwrap();
        assert_eq!(answer.status, 200);
        tokens.insert(answer.text("access_token"));
    }
    assert_eq!((tokens.len(), signed(&pod)), (1, 1));
    assert_eq!(
        pod.metric("mintage_token_requests_total{outcome=\"issued\"}"),
        32
    );
    let issued = |source| {
        let labels = format!("alg=\"RS256\",dialect=\"Auth0\",source=\"{source}\"");
        pod.metric(&format!("mintage_tokens_issued_total{{{labels}}}"))
    };
    assert_eq!((issued("signed"), issued("shared")), (1, 31));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tokens_with_a_jti_are_all_distinct() {
    let pod = Pod::checkout();
    for (audience, count) in [(PAYMENTS, 50), (LEDGER, 100)] {
        let requests: Vec<_> = (0..50)
            .map(|_| tokio::spawn(answer(pod.ask(&[("audience", audience)]))))
            .collect();
        let mut tokens = BTreeSet::new();
        for request in requests {
            tokens.insert(request.await.unwrap().text("access_token"));
        }
        assert_eq!((tokens.len(), signed(&pod)), (50, count));
    }
}
