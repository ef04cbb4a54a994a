//! The id of a request, in its answer and in the log.

use serde_json::Value;

use crate::cluster::ORDERS;
use crate::pod::{Pod, answer, client};
use crate::sidecar::Sidecar;

#[tokio::test]
async fn an_answer_names_its_request() {
    let pod = Pod::checkout();
    let given = answer(
        pod.ask(&[("audience", ORDERS)])
            .header("X-Request-Id", "abc-1.2"),
    )
    .await;
    assert_eq!(
        (given.status, given.header("x-request-id")),
        (200, "abc-1.2")
    );
    let long = "x".repeat(129);
    for unsound in ["a b", "a\"b", "<a>", &long] {
        let refused = pod.get("/nowhere").await;
        let replaced = answer(
            pod.ask(&[("audience", ORDERS)])
                .header("X-Request-Id", unsound),
        )
        .await;
        for answer in [&refused, &replaced] {
            let id = answer.header("x-request-id");
            assert!(
                id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{id}"
            );
        }
        assert_ne!(
            refused.header("x-request-id"),
            replaced.header("x-request-id")
        );
    }
    // Those that the guard turns away have one, too.
    let stranger = answer(
        pod.client
            .get(pod.url("/validate"))
            .header("Host", "evil.test"),
    )
    .await;
    assert_eq!(stranger.header("x-request-id").len(), 16);
}

#[tokio::test]
async fn a_line_of_the_log_names_its_request_and_its_trace() {
    let sidecar = Sidecar::start().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let asked = client()
        .post(format!("http://{}/oauth/token", sidecar.workload_api))
        .header("X-Request-Id", "order-17")
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    let token =
        answer(asked.form(&[("grant_type", "client_credentials"), ("audience", ORDERS)])).await;
    assert_eq!(token.status, 200, "{token:?}");
    sidecar.terminate();
    let (_, lines) = sidecar.ended().await;
    let events: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of_request: Vec<&Value> = events
        .iter()
        .filter(|event| event["request_id"] == "order-17")
        .collect();
    let [issued] = of_request[..] else {
        panic!("{lines:?}");
    };
    assert_eq!(issued["event"], "token-issued");
    assert_eq!(issued["trace_id"], trace);
    assert!(
        events.iter().any(|event| event["request_id"].is_null()),
        "the start belongs to no request"
    );
}
