//! What one client may take, and how a listener ends.

use std::time::Duration;

use mintage_sidecar::server::Limits;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::cluster::{Cluster, ORDERS};
use crate::pod::{Pod, identity};
use crate::raw::{exchange, read_all, read_response, status, token_request};

const HOST: &str = "Host: localhost\r\n";

fn pod(limits: Limits) -> Pod {
    let pod = Pod::empty(identity("shop/checkout", ""), limits);
    pod.load(Cluster::standard());
    pod
}

async fn connect(pod: &Pod) -> TcpStream {
    TcpStream::connect(pod.workload_api).await.unwrap()
}

/// Sends a token request on a connection that stays open.
async fn send(stream: &mut TcpStream) {
    let request = token_request(HOST, "", ORDERS);
    stream.write_all(request.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn headers_are_bounded() {
    let pod = pod(Limits::default());
    let with =
        |headers: &str| token_request(HOST, &format!("Connection: close\r\n{headers}"), ORDERS);
    let one = |length: usize| format!("X-Large: {}\r\n", "x".repeat(length));
    let many = |count: usize| {
        (0..count)
            .map(|n| format!("X-{n}: 1\r\n"))
            .collect::<Vec<_>>()
            .concat()
    };
    for headers in [one(8000), many(50)] {
        assert_eq!(
            status(&exchange(pod.workload_api, with(&headers)).await),
            200
        );
    }
    for headers in [one(17_000), one(1_000_000), many(65)] {
        let refused = exchange(pod.workload_api, with(&headers)).await;
        // Who goes on sending may meet a reset before the answer.
        let expected = if headers.len() < 20_000 {
            431..=431
        } else {
            0..=431
        };
        assert!(expected.contains(&status(&refused)), "{refused}");
        assert!(!refused.contains("access_token"));
    }
    let target = format!("GET /{} HTTP/1.1\r\n{HOST}\r\n", "x".repeat(17_000));
    let refused = exchange(pod.workload_api, target).await;
    assert!(matches!(status(&refused), 414 | 431), "{refused}");
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_headers_is_cut() {
    let pod = pod(Limits {
        header_timeout: Duration::from_millis(200),
        ..Limits::default()
    });
    for part in ["", "POST /oauth/token HTTP/1.1\r\nHost: loc"] {
        let mut stream = connect(&pod).await;
        stream.write_all(part.as_bytes()).await.unwrap();
        // Ends only because the server closes.
        assert!(!read_all(&mut stream).await.contains("200"), "{part}");
    }
    let mut kept = connect(&pod).await;
    send(&mut kept).await;
    assert_eq!(status(&read_response(&mut kept).await.unwrap()), 200);
    assert_eq!(read_all(&mut kept).await, "", "an idle connection ends");
}

#[tokio::test]
async fn further_connections_wait_for_their_turn() {
    let pod = pod(Limits {
        connections: 2,
        ..Limits::default()
    });
    let mut held = [connect(&pod).await, connect(&pod).await];
    for stream in &mut held {
        send(stream).await;
        assert_eq!(status(&read_response(stream).await.unwrap()), 200);
    }
    let mut third = connect(&pod).await;
    send(&mut third).await;
    let early = timeout(Duration::from_millis(200), read_response(&mut third)).await;
    assert!(early.is_err(), "{early:?}");
    drop(held);
    assert_eq!(status(&read_response(&mut third).await.unwrap()), 200);
}

#[tokio::test]
async fn a_burst_of_clients_is_not_turned_away() {
    let pod = pod(Limits {
        connections: 1,
        ..Limits::default()
    });
    let mut held = connect(&pod).await;
    send(&mut held).await;
    assert_eq!(status(&read_response(&mut held).await.unwrap()), 200);
    // Nobody accepts them now; the kernel must take them all.
    let mut waiting = Vec::new();
    for number in 0..600 {
        let connected = timeout(Duration::from_millis(500), connect(&pod)).await;
        waiting.push(connected.unwrap_or_else(|_| panic!("client {number} was not taken")));
    }
}

#[tokio::test]
async fn the_end_answers_whoever_waits_though_the_house_is_full() {
    let pod = pod(Limits {
        connections: 2,
        ..Limits::default()
    });
    let mut held = [connect(&pod).await, connect(&pod).await];
    for stream in &mut held {
        send(stream).await;
        assert_eq!(status(&read_response(stream).await.unwrap()), 200);
    }
    let mut waiting = connect(&pod).await;
    send(&mut waiting).await;
    pod.end.send_replace(true);
    assert_eq!(status(&read_response(&mut waiting).await.unwrap()), 200);
    assert_eq!(read_all(&mut waiting).await, "");
    for stream in &mut held {
        assert_eq!(read_all(stream).await, "");
    }
    // The idle ones did not hold up the end.
    pod.served.await.unwrap();
    assert!(TcpStream::connect(pod.workload_api).await.is_err());
}

#[tokio::test]
async fn the_end_does_not_wait_for_ever() {
    let pod = pod(Limits {
        drain: Duration::from_millis(300),
        ..Limits::default()
    });
    let mut stuck = connect(&pod).await;
    let head = token_request(HOST, "Expect: 100-continue\r\n", ORDERS);
    let head = head.split_inclusive("\r\n\r\n").next().unwrap();
    stream_head(&mut stuck, head).await;
    pod.end.send_replace(true);
    pod.served.await.unwrap();
}

/// The body would be taken for the next request: the connection ends, and the answer says so.
#[tokio::test]
async fn an_answer_that_comes_before_the_body_says_that_it_is_the_last() {
    let pod = pod(Limits::default());
    for (method, path, status_of) in [("PUT", "/oauth/token", 405), ("POST", "/oauth/par", 404)] {
        let mut stream = connect(&pod).await;
        let head = format!("{method} {path} HTTP/1.1\r\n{HOST}Content-Length: 3\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = read_response(&mut stream).await.unwrap();
        assert_eq!(status(&answer), status_of);
        assert!(
            answer
                .to_ascii_lowercase()
                .contains("\r\nconnection: close\r\n"),
            "{answer}"
        );
        assert_eq!(read_all(&mut stream).await, "", "and it ends");
    }
    // Where there is no body, or it was read, the connection goes on.
    let mut stream = connect(&pod).await;
    let get = format!("GET /oauth/par HTTP/1.1\r\n{HOST}\r\n");
    for request in [
        token_request(HOST, "", ORDERS),
        get,
        token_request(HOST, "", ORDERS),
    ] {
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = read_response(&mut stream).await.unwrap();
        assert!(
            !answer.to_ascii_lowercase().contains("\r\nconnection:"),
            "{answer}"
        );
    }
}

/// Sends a head and waits until the server asks for the body: the request is in flight.
async fn stream_head(stream: &mut TcpStream, head: &str) {
    use tokio::io::AsyncReadExt as _;
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut go_ahead = [0; 25];
    stream.read_exact(&mut go_ahead).await.unwrap();
    assert_eq!(&go_ahead, b"HTTP/1.1 100 Continue\r\n\r\n");
}
