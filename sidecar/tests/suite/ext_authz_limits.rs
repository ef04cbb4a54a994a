//! What one client may take of the listener for Envoy, and how it ends.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use http_body_util::StreamBody;
use hyper::body::Frame;
use mintage_sidecar::server::Limits;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc::channel;
use tokio::time::{sleep, timeout};
use tonic::codegen::tokio_stream::pending;
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;

use crate::cluster::Cluster;
use crate::envoy::{
    CHECK, bearing, check, connect, denied, framed, orders, passed, raw_check, send,
};
use crate::pod::{Pod, identity};
use crate::tokens;

fn good() -> Vec<u8> {
    bearing(&tokens::good()).encode_to_vec()
}

fn pod(limits: Limits) -> Pod {
    let pod = Pod::empty(identity("orders/api", "orders"), limits);
    pod.load(Cluster::standard());
    pod
}

#[tokio::test]
async fn what_is_no_question_is_refused_with_a_status_of_its_own() {
    let pod = orders();
    let good = good();
    let mut sender = connect(pod.ext_authz).await;
    let large = vec![0; 200 * 1024];
    for (what, body, expected) in [
        ("a good one", framed(&good, good.len(), 0), "0"),
        ("no message", Bytes::new(), "13"),
        ("half a message", framed(&good[..10], good.len(), 0), "13"),
        ("no protobuf", framed(b"\xff\xff\xff", 3, 0), "3"),
        ("compressed", framed(&good, good.len(), 1), "13"),
        ("no such compression", framed(&good, good.len(), 7), "13"),
        ("too large", framed(&large, large.len(), 0), "11"),
        (
            "larger than it says",
            framed(b"", usize::try_from(u32::MAX).unwrap(), 0),
            "11",
        ),
    ] {
        let answer = send(&mut sender, raw_check(pod.ext_authz, body))
            .await
            .unwrap();
        let found = answer.grpc_status.as_deref();
        assert_eq!(found, Some(expected), "{what}: {}", answer.message);
    }
    let counted = |status: u16| {
        pod.metric(&format!(
            "mintage_requests_total{{route=\"{CHECK}\",status=\"{status}\"}}"
        ))
    };
    assert_eq!((counted(200), counted(400), counted(413)), (1, 5, 2));
}

#[tokio::test]
async fn what_is_no_call_is_refused() {
    let pod = orders();
    let mut sender = connect(pod.ext_authz).await;
    let good = good();
    let body = || Body::from(framed(&good, good.len(), 0));
    let request = |method: &str, path: &str, headers: &[(&str, &str)]| {
        let url = format!("http://{}{path}", pod.ext_authz);
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(body()).unwrap()
    };
    let grpc = ("content-type", "application/grpc+proto");
    for (asked, status, grpc_status) in [
        (request("POST", CHECK, &[grpc]), 200, Some("0")),
        (request("POST", CHECK, &[]), 415, None),
        (
            request("POST", CHECK, &[("content-type", "application/json")]),
            415,
            None,
        ),
        (request("GET", CHECK, &[grpc]), 405, None),
        (
            request(
                "POST",
                "/envoy.service.auth.v2.Authorization/Check",
                &[grpc],
            ),
            200,
            Some("12"),
        ),
        (request("POST", "/oauth/token", &[grpc]), 200, Some("12")),
        (
            request("POST", CHECK, &[grpc, ("origin", "https://evil.test")]),
            200,
            Some("7"),
        ),
        (
            request("POST", CHECK, &[grpc, ("grpc-encoding", "gzip")]),
            200,
            Some("12"),
        ),
    ] {
        let what = format!("{asked:?}");
        let answer = send(&mut sender, asked).await.unwrap();
        assert_eq!(answer.status, status, "{what}");
        assert_eq!(answer.grpc_status.as_deref(), grpc_status, "{what}");
    }
    // HTTP/1.1 gets no answer at all, and no longer holds a connection.
    let mut plain = TcpStream::connect(pod.ext_authz).await.unwrap();
    plain
        .write_all(b"GET /validate HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut said = Vec::new();
    if let Err(error) = plain.read_to_end(&mut said).await {
        // What it sent is not read.
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    let said = String::from_utf8_lossy(&said);
    assert!(!said.contains("HTTP/"), "{said}");
}

#[tokio::test]
async fn headers_are_bounded() {
    let pod = orders();
    let with = |length: usize| {
        let good = good();
        let mut request = raw_check(pod.ext_authz, framed(&good, good.len(), 0));
        let value = "x".repeat(length).parse().unwrap();
        request.headers_mut().insert("x-large", value);
        request
    };
    let mut sender = connect(pod.ext_authz).await;
    let small = send(&mut sender, with(8000)).await.unwrap();
    assert_eq!(small.grpc_status.as_deref(), Some("0"));
    // The client may not even send it, since the server has said what it takes.
    for length in [17_000, 1_000_000] {
        let mut sender = connect(pod.ext_authz).await;
        if let Ok(answer) = send(&mut sender, with(length)).await {
            assert_eq!(answer.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        }
    }
    passed(check(&pod, bearing(&tokens::good())).await);
}

/// A question of which nothing comes.
fn unfinished(pod: &Pod) -> Request<Body> {
    raw_check(pod.ext_authz, Body::new(StreamBody::new(pending::<Part>())))
}

/// A part of a question.
type Part = Result<Frame<Bytes>, Infallible>;

#[tokio::test]
async fn further_streams_wait_and_broken_ones_make_room() {
    let pod = pod(Limits {
        streams: 2,
        ..Limits::default()
    });
    let mut sender = connect(pod.ext_authz).await;
    // So that the client has heard how many it may have.
    let good = good();
    let ask = || raw_check(pod.ext_authz, framed(&good, good.len(), 0));
    assert_eq!(
        send(&mut sender, ask()).await.unwrap().grpc_status.unwrap(),
        "0"
    );
    let held = [
        sender.send_request(unfinished(&pod)),
        sender.send_request(unfinished(&pod)),
    ];
    let mut third = sender.clone();
    let mut third = Box::pin(send(&mut third, ask()));
    assert!(
        timeout(Duration::from_millis(200), &mut third)
            .await
            .is_err()
    );
    // Others are served meanwhile.
    passed(check(&pod, bearing(&tokens::good())).await);
    drop(held);
    assert_eq!(third.await.unwrap().grpc_status.unwrap(), "0");
}

#[tokio::test]
async fn clients_that_only_hold_connections_make_way() {
    let pod = pod(Limits {
        connections: 2,
        ..Limits::default()
    });
    // One that says nothing, and one that has been served.
    let _silent = TcpStream::connect(pod.ext_authz).await.unwrap();
    passed(check(&pod, bearing(&tokens::good())).await);
    let _idle = connect(pod.ext_authz).await;
    for _ in 0..3 {
        passed(check(&pod, bearing(&tokens::good())).await);
    }
}

/// The preface, and empty settings (RFC 9113 sections 3.4 and 6.5).
const BEGIN: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test]
async fn floods_of_frames_leave_the_others_served() {
    let pod = orders();
    // A stream that is opened (END_STREAM, END_HEADERS; `:method: POST`) and reset at once: CVE-2023-44487.
    let reset = |stream: u32| {
        let id = stream.to_be_bytes();
        let open = [&[0, 0, 1, 1, 5][..], &id, &[0x83]].concat();
        [&open[..], &[0, 0, 4, 3, 0], &id, &[0, 0, 0, 8]].concat()
    };
    let resets = (0..20_000)
        .flat_map(|n| reset(2 * n + 1))
        .collect::<Vec<u8>>();
    let ping = [&[0, 0, 8, 6, 0, 0, 0, 0, 0][..], &[7; 8]].concat();
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    // Headers that go on in ever more frames: CVE-2024-27316.
    let headers = [&[0, 0, 1, 1, 0, 0, 0, 0, 1][..], &[0x83]].concat();
    let more = [&[0, 4, 0, 9, 0, 0, 0, 0, 1][..], &[0; 1024]].concat();
    let endless = [headers, more.repeat(2000)].concat();
    for flood in [
        resets,
        ping.repeat(50_000),
        settings.repeat(50_000),
        endless,
    ] {
        let mut stream = TcpStream::connect(pod.ext_authz).await.unwrap();
        stream.write_all(BEGIN).await.unwrap();
        // Nothing is read: answers pile up at the server, if anywhere. It stops reading, or breaks off.
        let flood = timeout(Duration::from_secs(2), stream.write_all(&flood)).await;
        drop(flood);
        passed(check(&pod, bearing(&tokens::good())).await);
    }
}

#[tokio::test]
async fn the_end_finishes_what_was_begun() {
    let pod = orders();
    let mut sender = connect(pod.ext_authz).await;
    let good = framed(&good(), good().len(), 0);
    let (first, rest) = (good.slice(..20), good.slice(20..));
    let (hand, body) = channel::<Part>(2);
    let body = StreamBody::new(ReceiverStream::new(body));
    hand.send(Ok(Frame::data(first))).await.unwrap();
    let answer = send(&mut sender, raw_check(pod.ext_authz, Body::new(body)));
    let finish = async {
        sleep(Duration::from_millis(200)).await;
        pod.end.send_replace(true);
        // Longer than connections linger.
        sleep(Duration::from_millis(300)).await;
        hand.send(Ok(Frame::data(rest))).await.unwrap();
        drop(hand);
    };
    let (answer, ()) = tokio::join!(answer, finish);
    assert_eq!(answer.unwrap().grpc_status.as_deref(), Some("0"));
    // The idle connection does not hold up the end.
    pod.ext_authz_served.await.unwrap();
    assert!(TcpStream::connect(pod.ext_authz).await.is_err());
}

#[tokio::test]
async fn too_large_a_token_is_a_bad_one_here_too() {
    let pod = orders();
    let large = denied(check(&pod, bearing(&"a".repeat(60_000))).await);
    assert_eq!(large.status, 401);
}
