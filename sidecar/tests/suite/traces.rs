//! Traces, as a collector receives them.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout};

use crate::cluster::ORDERS;
use crate::pod::{Answer, answer, client};
use crate::sidecar::{Sidecar, command};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A collector, and the bodies that it is sent.
async fn collector() -> (String, UnboundedReceiver<Bytes>) {
    let (received, bodies) = unbounded_channel();
    let take = async move |body: Bytes| {
        received.send(body).unwrap();
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().route("/v1/traces", post(take));
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    (endpoint, bodies)
}

async fn ask(sidecar: &Sidecar, audience: &str, parent: &str) -> Answer {
    let asked = client()
        .post(format!("http://{}/oauth/token", sidecar.workload_api))
        .header("traceparent", parent)
        .form(&[("grant_type", "client_credentials"), ("audience", audience)]);
    answer(asked).await
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    let value = found.and_then(|attribute| attribute.value.clone());
    match value {
        Some(AnyValue {
            value: Some(Any::StringValue(text)),
        }) => text,
        Some(AnyValue {
            value: Some(Any::IntValue(number)),
        }) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(half.into(), 16).unwrap();
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_a_span_of_the_callers_trace() {
    let (endpoint, mut bodies) = collector().await;
    let sidecar = Sidecar::start_with(&["--otlp-endpoint", &endpoint]).await;
    let sampled = format!("00-{TRACE}-{PARENT}-01");
    let granted = ask(&sidecar, ORDERS, &sampled).await;
    assert_eq!(granted.status, 200);
    assert_eq!(ask(&sidecar, "https://no.test", &sampled).await.status, 403);
    // The caller decided that this one is not recorded.
    let unsampled = format!("00-{TRACE}-{PARENT}-00");
    assert_eq!(ask(&sidecar, ORDERS, &unsampled).await.status, 200);
    sidecar.terminate();
    let (code, lines) = sidecar.ended().await;
    assert_eq!(code, Some(0));
    assert!(
        lines
            .iter()
            .any(|line| line.contains("token-issued") && line.contains(TRACE))
    );

    let mut spans: Vec<Span> = Vec::new();
    while let Ok(body) = bodies.try_recv() {
        for secret in granted.text("access_token").split('.') {
            let found = body
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "a part of a token in a trace");
        }
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        for resource in request.resource_spans {
            let of = resource.resource.unwrap().attributes;
            assert_eq!(text(&of, "service.name"), "mintage-sidecar");
            spans.extend(
                resource
                    .scope_spans
                    .into_iter()
                    .flat_map(|scope| scope.spans),
            );
        }
    }
    let seen: Vec<_> = spans
        .iter()
        .map(|span| {
            assert_eq!(hex(&span.trace_id), TRACE);
            assert_eq!(hex(&span.parent_span_id), PARENT);
            assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
            let attribute = |key| text(&span.attributes, key);
            (
                &*span.name,
                attribute("http.response.status_code"),
                attribute("mintage.rule"),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("POST /oauth/token", "200".to_owned(), "None".to_owned()),
            (
                "POST /oauth/token",
                "403".to_owned(),
                "audience-unknown".to_owned()
            ),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_does_not_answer_costs_spans_and_nothing_else() {
    // It takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let sidecar = Sidecar::start_with(&["--otlp-endpoint", &endpoint]).await;
    for _ in 0..20 {
        let asked = ask(&sidecar, ORDERS, "");
        let granted = timeout(Duration::from_secs(10), asked).await.unwrap();
        assert_eq!(granted.status, 200);
    }
    sidecar.terminate();
    let begun = Instant::now();
    let (code, lines) = timeout(Duration::from_secs(30), sidecar.ended())
        .await
        .unwrap();
    assert_eq!(code, Some(0), "after {:?}", begun.elapsed());
    assert!(
        lines.iter().any(|line| line.contains("traces-lost")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn the_endpoint_is_an_http_url() {
    for bad in [
        "",
        "collector:4318",
        "https://collector:4318",
        "http://",
        "http://c/?x=1",
    ] {
        let output = command(&["--as", "a/b", "--otlp-endpoint", bad])
            .output()
            .await
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{bad}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("http://127.0.0.1:4318"), "{text}");
    }
}
