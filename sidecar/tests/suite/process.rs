//! The binary: usage, and an end that truncates nothing.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Barrier;

use crate::cluster::{ORDERS, PAYMENTS};
use crate::envoy::messages::{CheckResponse, HealthCheckRequest, HealthCheckResponse};
use crate::envoy::{CHECK, HEALTH, bearing, call, denied};
use crate::pod::{answer, client};
use crate::raw::{complete, status, token_request};
use crate::sidecar::{Sidecar, command};

const REQUESTS: usize = 1000;

/// A request of which the server has the head and waits for the body; the rest is sent when all are told to go on.
async fn in_flight(
    address: std::net::SocketAddr,
    number: usize,
    barriers: Arc<[Barrier; 2]>,
) -> String {
    let audience = if number.is_multiple_of(2) {
        ORDERS
    } else {
        PAYMENTS
    };
    let request = token_request("Host: localhost\r\n", "Expect: 100-continue\r\n", audience);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(format!("{head}\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut go_ahead = [0; 25];
    stream.read_exact(&mut go_ahead).await.unwrap();
    assert_eq!(&go_ahead, b"HTTP/1.1 100 Continue\r\n\r\n");
    barriers[0].wait().await;
    barriers[1].wait().await;
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    // To the very end: the server closes after the answer.
    stream.read_to_end(&mut response).await.unwrap();
    complete(&response).unwrap_or_else(|| panic!("truncated: {response:?}"))
}

/// Waits for every request; one that failed on the way would be waited for without end.
async fn all_there(barrier: &Barrier) {
    let wait = tokio::time::timeout(std::time::Duration::from_mins(3), barrier.wait());
    wait.await
        .expect("a request failed before it was in flight");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_truncates_none_of_a_thousand_requests() {
    let mut sidecar = Sidecar::start().await;
    let barriers = Arc::new([Barrier::new(REQUESTS + 1), Barrier::new(REQUESTS + 1)]);
    let requests: Vec<_> = (0..REQUESTS)
        .map(|number| {
            tokio::spawn(in_flight(
                sidecar.workload_api,
                number,
                Arc::clone(&barriers),
            ))
        })
        .collect();
    all_there(&barriers[0]).await;
    sidecar.terminate();
    sidecar.logged("ending").await;
    let ready = answer(client().get(format!("http://{}/readyz", sidecar.admin))).await;
    assert_eq!((ready.status, &*ready.body), (503, "shutting down\n"));
    all_there(&barriers[1]).await;
    for request in requests {
        let response = request.await.unwrap();
        assert_eq!(status(&response), 200, "{response}");
        let body: serde_json::Value =
            serde_json::from_str(response.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!(body["access_token"].as_str().unwrap().split('.').count(), 3);
    }
    let (code, lines) = sidecar.ended().await;
    assert_eq!(code, Some(0));
    let issued = lines
        .iter()
        .filter(|line| line.contains("\"token-issued\""))
        .count();
    assert_eq!(issued, REQUESTS);
    assert!(!lines.iter().any(|line| line.contains("drain-timeout")));
}

#[tokio::test]
async fn wrong_usage_is_said_and_ends_with_2() {
    for (options, text) in [
        (&["--as", "shop"][..], "--as"),
        (&["--as", "Shop/checkout"], "--as"),
        (&[], "--as"),
        (
            &["--as", "shop/checkout", "--listen", "0.0.0.0:7600"],
            "it listens on the loopback only",
        ),
        (
            &["--as", "shop/checkout", "--listen", "[::]:7600"],
            "it listens on the loopback only",
        ),
        (
            &[
                "--as",
                "shop/checkout",
                "--ext-authz-listen",
                "0.0.0.0:7602",
            ],
            "it listens on the loopback only",
        ),
        (
            &["--as", "shop/checkout", "--listen", "localhost"],
            "is not an address with a port",
        ),
        (&["--as", "shop/checkout", "--threads", "0"], "--threads"),
        (
            &["--as", "shop/checkout", "--log-level", "a=b=c"],
            "--log-level a=b=c",
        ),
        (
            &["--as", "shop/checkout", "--domain", "https://a.test"],
            "--domain",
        ),
        (&["--as", "shop/checkout", "--accept", "Orders"], "--accept"),
        (&["--as", "shop/checkout", "--key", "x"], "--key"),
    ] {
        let output = command(options).output().await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{options:?}: {said}");
        assert!(said.contains(text), "{options:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let options = ["--as", "shop/checkout", "--listen", &address];
    let output = command(&options).output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains(&format!("cannot listen on {address}")),
        "{said}"
    );
}

#[tokio::test]
async fn envoy_is_answered_unless_that_is_off() {
    let sidecar = Sidecar::start().await;
    let everything = HealthCheckRequest::default();
    let health: HealthCheckResponse = call(sidecar.ext_authz, HEALTH, everything).await.unwrap();
    assert_eq!(health.status, 1);
    let checked: CheckResponse = call(sidecar.ext_authz, CHECK, bearing("x")).await.unwrap();
    let refused = denied(checked);
    assert_eq!(refused.status, 403, "no audience is in its namespace");
    assert!(
        refused.body.contains("audience-not-chosen"),
        "{}",
        refused.body
    );
    sidecar.terminate();
    let (code, lines) = sidecar.ended().await;
    assert_eq!(code, Some(0));
    let listening = |lines: &[String]| {
        let line = lines.iter().find(|line| line.contains("\"listening\""));
        line.unwrap().clone()
    };
    assert!(listening(&lines).contains("\"ext_authz\":\"127.0.0.1:"));

    let dir = tempfile::tempdir().unwrap();
    let options = [
        "--dir",
        dir.path().to_str().unwrap(),
        "--as=shop/checkout",
        "--listen=127.0.0.1:0",
        "--admin-listen=127.0.0.1:0",
        "--ext-authz-listen=off",
    ];
    let mut child = command(&options).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
    while let Some(line) = stderr.next_line().await.unwrap() {
        if line.contains("\"listening\"") {
            assert!(!line.contains("ext_authz"), "{line}");
            return;
        }
    }
    panic!("it ended early");
}

#[tokio::test]
async fn help_is_worth_reading() {
    let output = command(&["--help"]).output().await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    for text in [
        "keyring.json",
        "127.0.0.1:7600",
        "MINTAGE_DIR",
        "Exit codes",
    ] {
        assert!(said.contains(text), "{text}: {said}");
    }
}
