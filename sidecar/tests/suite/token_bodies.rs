//! `POST /oauth/token`: bodies that are too large, malformed or of another kind.

use std::fmt::Write as _;

use crate::cluster::ORDERS;
use crate::pod::{Pod, answer};
use crate::raw::{exchange, status};

const FORM: &str = "application/x-www-form-urlencoded";
const LIMIT: usize = 64 * 1024;

fn good() -> String {
    format!("grant_type=client_credentials&audience={ORDERS}")
}

/// The good form, filled up to a length.
fn padded(length: usize) -> String {
    let body = format!("{}&pad=", good());
    let rest = length - body.len();
    body + &"x".repeat(rest)
}

async fn send(pod: &Pod, media_type: &str, body: impl Into<reqwest::Body>) -> crate::pod::Answer {
    let request = pod.client.post(pod.url("/oauth/token"));
    answer(request.header("content-type", media_type).body(body)).await
}

#[tokio::test]
async fn a_body_of_64_kib_is_the_largest() {
    let pod = Pod::checkout();
    assert_eq!(send(&pod, FORM, padded(LIMIT)).await.status, 200);
    for length in [LIMIT + 1, 3_000_000] {
        let refused = send(&pod, FORM, padded(length)).await;
        refused.refused(
            413,
            "invalid_request",
            "body-too-large",
            "the body is larger",
        );
    }
    // The server goes on.
    assert_eq!(send(&pod, FORM, good()).await.status, 200);
}

#[tokio::test]
async fn a_client_that_waits_for_the_go_ahead_is_refused_before_it_sends() {
    let pod = Pod::checkout();
    let head = |length: usize| {
        format!(
            "POST /oauth/token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\n\
             Content-Type: {FORM}\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let good = exchange(pod.workload_api, head(good().len()) + &good()).await;
    assert_eq!(status(&good), 100, "{good}");
    assert!(good.contains("HTTP/1.1 200"), "{good}");
    let refused = exchange(pod.workload_api, head(3_000_000)).await;
    assert_eq!(status(&refused), 413, "{refused}");
}

#[tokio::test]
async fn a_body_in_chunks_is_counted() {
    let pod = Pod::checkout();
    let chunked = |body: &str| {
        let mut request = format!(
            "POST /oauth/token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Transfer-Encoding: chunked\r\nContent-Type: {FORM}\r\n\r\n"
        );
        for chunk in body.as_bytes().chunks(10_000) {
            let text = std::str::from_utf8(chunk).unwrap();
            write!(request, "{:x}\r\n{text}\r\n", text.len()).unwrap();
        }
        request + "0\r\n\r\n"
    };
    let good = exchange(pod.workload_api, chunked(&padded(LIMIT))).await;
    assert_eq!(status(&good), 200, "{good}");
    for length in [LIMIT + 1, 3_000_000] {
        let refused = exchange(pod.workload_api, chunked(&padded(length))).await;
        assert_eq!(status(&refused), 413, "{refused}");
    }
}

#[tokio::test]
async fn other_media_types_are_refused() {
    let pod = Pod::checkout();
    for media_type in [FORM, "Application/X-WWW-Form-Urlencoded; charset=utf-8"] {
        assert_eq!(send(&pod, media_type, good()).await.status, 200);
    }
    for media_type in ["text/plain", "multipart/form-data", "application/jsonx", ""] {
        let refused = send(&pod, media_type, good()).await;
        refused.refused(415, "invalid_request", "media-type", "send a form");
    }
    let none = answer(pod.client.post(pod.url("/oauth/token")).body(good())).await;
    none.refused(415, "invalid_request", "media-type", "send a form");
}

#[tokio::test]
async fn malformed_forms_are_refused() {
    let pod = Pod::checkout();
    assert_eq!(send(&pod, FORM, good()).await.status, 200);
    for (more, rule) in [
        ("&audience=https://b.test", "parameter-repeated"),
        ("&x=1&x=1", "parameter-repeated"),
        ("&client_id=&client_id=shop/checkout", "parameter-repeated"),
        ("&scope=%", "form-malformed"),
        ("&scope=%4", "form-malformed"),
        ("&scope=%zz", "form-malformed"),
        ("&scope=%ff", "form-malformed"),
        ("&%ff=1", "form-malformed"),
    ] {
        let refused = send(&pod, FORM, good() + more).await;
        refused.refused(400, "invalid_request", rule, "");
    }
    let with = |count: usize| {
        let more = (2..count).map(|number| format!("&p{number}="));
        good() + &more.collect::<String>()
    };
    assert_eq!(send(&pod, FORM, with(32)).await.status, 200);
    let refused = send(&pod, FORM, with(33)).await;
    refused.refused(400, "invalid_request", "parameters-too-many", "");
}

#[tokio::test]
async fn malformed_json_is_refused() {
    const JSON: &str = "application/json";
    let pod = Pod::checkout();
    let with = |more: &str| {
        format!(r#"{{"grant_type":"client_credentials","audience":"{ORDERS}"{more}}}"#)
    };
    let others = r#","x":1,"y":[true],"z":{"scope":2}"#;
    for more in ["", r#","scope":null"#, r#","scope":"read:orders""#, others] {
        assert_eq!(send(&pod, JSON, with(more)).await.status, 200, "{more}");
    }
    for body in [
        with(r#","scope":["read:orders"]"#),
        with(r#","scope":1"#),
        with(r#","audience":"https://b.test""#),
        with(","),
        with("") + "x",
        with("")[..20].to_owned(),
        format!("[{}]", with("")),
        "\"text\"".to_owned(),
        String::new(),
        "[".repeat(20_000),
        "{\"a\":".repeat(10_000),
    ] {
        let refused = send(&pod, JSON, body).await;
        refused.refused(400, "invalid_request", "json-malformed", "");
    }
    let binary = send(&pod, JSON, vec![0xff, 0xfe]).await;
    binary.refused(400, "invalid_request", "json-malformed", "");
}

/// RFC 6749 section 5.2: what the client sent is quoted without control characters, backslashes, or anything beyond ASCII.
#[tokio::test]
async fn a_refusal_quotes_no_character_that_it_may_not_have() {
    let pod = Pod::checkout();
    let audience = "%00%1b%5B31m%C3%A9%5C%0a.test";
    let body = format!("grant_type=client_credentials&audience={audience}");
    let refused = send(&pod, FORM, body).await;
    let text = "Service not enabled within domain: ''[31m'''.test (audience-unknown";
    refused.refused(403, "access_denied", "audience-unknown", text);
}
