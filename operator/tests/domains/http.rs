//! The file under `/.well-known/`, and the ways in which a host may lead elsewhere.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{RData, RecordType};
use mintage_crds::domain::VerificationMethod;
use mintage_operator::domains::{Check as _, Checker, Outcome, Settings, Subject};
use tokio::time::Instant;

use super::dns_server::{self, Reply, address, of};
use super::http_server::{Act, Server, detour, response};
use super::{contradicted, settings, subject, unanswered};

const HOST: &str = "login.acme.example";

/// An address of the internet, which is only ever looked up here.
const PUBLIC: &str = "93.184.215.14";

fn http(domain: &str) -> Subject {
    subject(domain, VerificationMethod::HttpWellKnown)
}

fn value() -> String {
    http(HOST).challenge().unwrap().value
}

/// A DNS server that gives a host these addresses.
async fn dns(addresses: &[&str]) -> dns_server::Server {
    let records: Vec<RData> = addresses.iter().map(|text| address(text)).collect();
    dns_server::Server::start(move |(name, kind, _)| match name {
        HOST => of(kind, &records),
        _ => Reply::Code(ResponseCode::NXDomain),
    })
    .await
}

/// What a check finds at a host of the internet whose server is this one, and where it connected to.
async fn check_at(server: &Server, addresses: &[&str]) -> (Outcome, Vec<SocketAddr>) {
    let dns = dns(addresses).await;
    let (dial, dialled) = detour(server.address);
    let checker = Checker::dialling(settings(dns.address), dial).unwrap();
    let outcome = checker.ask(&http(HOST)).await;
    let dialled = dialled.lock().unwrap().clone();
    (outcome, dialled)
}

async fn check(act: Act) -> Outcome {
    check_at(&Server::start(act).await, &[PUBLIC]).await.0
}

async fn check_response(status: &str, headers: &str, body: &str) -> Outcome {
    check(Act::Send(response(status, headers, body))).await
}

#[tokio::test]
async fn the_file_is_there() {
    let server = Server::file(&format!("{}\n", value())).await;
    let (outcome, dialled) = check_at(&server, &[PUBLIC]).await;
    assert_eq!(outcome, Outcome::Shown);
    assert_eq!(dialled, [format!("{PUBLIC}:80").parse().unwrap()]);
    let requests = server.requests();
    let [request] = requests.as_slice() else {
        panic!("{requests:?}")
    };
    let request = request.to_ascii_lowercase();
    assert!(request.starts_with("get /.well-known/mintage-domain-verification http/1.1\r\n"));
    assert!(request.contains(&format!("host: {HOST}\r\n")), "{request}");
    assert!(
        request.contains("user-agent: mintage-operator/"),
        "{request}"
    );
    for header in [
        "cookie",
        "authorization",
        "referer",
        "forwarded",
        "x-",
        "proxy",
        "traceparent",
    ] {
        assert!(!request.contains(&format!("\n{header}")), "{request}");
    }
}

#[tokio::test]
async fn the_port_of_the_domain_plays_no_part() {
    let subject = http("login.acme.example:8443");
    let server = Server::file(&subject.challenge().unwrap().value).await;
    let dns = dns(&[PUBLIC]).await;
    let (dial, dialled) = detour(server.address);
    let checker = Checker::dialling(settings(dns.address), dial).unwrap();
    assert_eq!(checker.ask(&subject).await, Outcome::Shown);
    assert_eq!(
        *dialled.lock().unwrap(),
        [format!("{PUBLIC}:80").parse().unwrap()]
    );
    assert!(
        server.requests()[0]
            .to_ascii_lowercase()
            .contains(&format!("host: {HOST}\r\n"))
    );
}

#[tokio::test]
async fn one_line_of_several() {
    let file = format!("# proofs\r\n  {}  \r\nanother\r\n", value());
    assert_eq!(check_response("200 OK", "", &file).await, Outcome::Shown);
}

#[tokio::test]
async fn a_file_in_chunks_and_one_that_ends_with_the_connection() {
    let (head, tail) = (value()[..20].to_owned(), value()[20..].to_owned());
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{head}\r\n{:x}\r\n{tail}\r\n0\r\n\r\n",
        head.len(),
        tail.len(),
    );
    assert_eq!(check(Act::Send(chunked.into())).await, Outcome::Shown);
    let closed = format!("HTTP/1.0 200 OK\r\n\r\n{}", value());
    assert_eq!(check(Act::Send(closed.into())).await, Outcome::Shown);
}

#[tokio::test]
async fn another_file_is_counted_and_not_repeated() {
    let outcome = check_response("200 OK", "", "\u{1b}[31mowned").await;
    assert_eq!(contradicted(&outcome), "a file of 10 bytes without it");
    // In the reason phrase, which is free text.
    let outcome = check_response("404 <script>owned", "", "").await;
    assert_eq!(contradicted(&outcome), "status 404");
    let outcome = check_response("404 \u{1b}[31mowned", "", "").await;
    assert!(!unanswered(&outcome).contains("owned"), "{outcome:?}");
}

/// The value in the body of a page that is none of a file with it: an error page may repeat anything.
#[tokio::test]
async fn only_a_plain_200_has_the_file() {
    for status in [
        "404 Not Found",
        "403 Forbidden",
        "203 Other",
        "206 Partial Content",
    ] {
        let outcome = check_response(status, "", &value()).await;
        let code = &status[..3];
        assert_eq!(contradicted(&outcome), format!("status {code}"));
    }
    for status in [
        "500 Internal Server Error",
        "503 Service Unavailable",
        "429 Too Many Requests",
    ] {
        let outcome = check_response(status, "", &value()).await;
        assert!(unanswered(&outcome).contains(&status[..3]), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::file(&value()).await;
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let headers = format!("Location: http://{}/\r\n", elsewhere.address);
        let outcome = check_response(status, &headers, &value()).await;
        assert!(contradicted(&outcome).contains("redirect"), "{outcome:?}");
    }
    assert_eq!(elsewhere.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_file_may_have_4_kib() {
    let fill = |length: usize| format!("{}\n{}", value(), "x".repeat(length - value().len() - 1));
    assert_eq!(
        check_response("200 OK", "", &fill(4096)).await,
        Outcome::Shown
    );
    let outcome = check_response("200 OK", "", &fill(4097)).await;
    assert_eq!(contradicted(&outcome), "a file of more than 4096 bytes");
}

#[tokio::test]
async fn a_file_without_an_end() {
    let mut endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    endless.extend([b'x'; 1000]);
    let outcome = check(Act::Drip(endless, Duration::ZERO)).await;
    assert_eq!(contradicted(&outcome), "a file of more than 4096 bytes");
}

#[tokio::test]
async fn a_head_without_an_end() {
    let line = format!("X-A: {}\r\n", "a".repeat(1000));
    let mut endless = b"HTTP/1.1 200 OK\r\n".to_vec();
    endless.extend(line.repeat(100).into_bytes());
    unanswered(&check(Act::Drip(endless, Duration::ZERO)).await);
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(1000));
    unanswered(&check(Act::Send(many.into())).await);
}

#[tokio::test]
async fn a_slow_server_gets_no_more_time_than_any() {
    for act in [
        Act::Silence,
        Act::Drip(
            b"HTTP/1.1 200 OK\r\nA: b\r\n".to_vec(),
            Duration::from_mins(1),
        ),
        Act::Drip(
            b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(),
            Duration::from_millis(50),
        ),
    ] {
        let begun = Instant::now();
        let outcome = check(act).await;
        assert_eq!(unanswered(&outcome), "nothing within 3 seconds");
        assert!(begun.elapsed() < Duration::from_secs(6));
    }
}

#[tokio::test]
async fn a_server_that_speaks_something_else() {
    unanswered(&check(Act::Send(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec())).await);
    unanswered(&check(Act::Send(Vec::new())).await);
    // Broken off in the middle.
    let broken = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{}\n",
        value()
    );
    unanswered(&check(Act::Send(broken.into())).await);
}

#[tokio::test]
async fn the_host_has_no_address() {
    let server = Server::file(&value()).await;
    let outcome = check_at(&server, &[]).await.0;
    assert_eq!(contradicted(&outcome), "nothing, the name has no address");
    let dns = dns(&[]).await;
    let checker = Checker::new(settings(dns.address)).unwrap();
    let outcome = checker.ask(&http("other.acme.example")).await;
    assert_eq!(contradicted(&outcome), "nothing, the name does not exist");
}

/// Half an answer says that there is no address, the other half that it is not known.
#[tokio::test]
async fn no_address_is_sure_only_if_both_questions_were_answered() {
    for failing in [RecordType::A, RecordType::AAAA] {
        let dns = dns_server::Server::start(move |(_, kind, _)| {
            if kind == failing {
                Reply::Code(ResponseCode::ServFail)
            } else {
                Reply::Records(Vec::new())
            }
        })
        .await;
        let checker = Checker::new(settings(dns.address)).unwrap();
        unanswered(&checker.ask(&http(HOST)).await);
    }
}

#[tokio::test]
async fn a_host_inside_is_not_asked() {
    let server = Server::file(&value()).await;
    for address in [
        "127.0.0.1",
        "10.96.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.168.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "fd00:ec2::254",
        "fe80::1",
    ] {
        let (outcome, dialled) = check_at(&server, &[address]).await;
        let found = contradicted(&outcome);
        assert!(
            found.contains("--allow-private-addresses"),
            "{address}: {found}"
        );
        assert_eq!(dialled, []);
        // Not either if the host has another address, too.
        let (outcome, dialled) = check_at(&server, &[PUBLIC, address]).await;
        contradicted(&outcome);
        assert_eq!(dialled, []);
    }
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_host_inside_is_asked_where_the_operator_says_so() {
    let server = Server::file(&value()).await;
    let dns = dns(&["127.0.0.1"]).await;
    let checker = Checker::new(Settings {
        allow_private: true,
        http_port: server.address.port(),
        ..settings(dns.address)
    })
    .unwrap();
    assert_eq!(checker.ask(&http(HOST)).await, Outcome::Shown);
    let host = format!("host: {HOST}:{}\r\n", server.address.port());
    assert!(server.requests()[0].to_ascii_lowercase().contains(&host));
    let outcome = checker.ask(&http("127.0.0.1")).await;
    assert_eq!(
        contradicted(&outcome),
        format!("a file of {} bytes without it", value().len())
    );
}

/// A name that leads to the internet when it is checked, and inside when it is used. It is looked up once.
#[tokio::test]
async fn a_name_that_leads_elsewhere_the_second_time() {
    let server = Server::file(&value()).await;
    let dns = dns_server::Server::start(|(_, kind, before)| {
        let host = if before == 0 { PUBLIC } else { "127.0.0.1" };
        of(kind, &[address(host)])
    })
    .await;
    let (dial, dialled) = detour(server.address);
    let checker = Checker::dialling(settings(dns.address), dial).unwrap();
    assert_eq!(checker.ask(&http(HOST)).await, Outcome::Shown);
    assert_eq!(dns.asked(HOST, RecordType::A), 1);
    assert_eq!(
        *dialled.lock().unwrap(),
        [format!("{PUBLIC}:80").parse().unwrap()]
    );
    // The next check looks it up, finds it inside, and goes nowhere.
    contradicted(&checker.ask(&http(HOST)).await);
    assert_eq!(dialled.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn the_next_address_is_tried_if_one_takes_no_connection() {
    let server = Server::file(&value()).await;
    let to = server.address;
    let dns = dns(&["93.184.215.13", PUBLIC]).await;
    let checker = Checker::dialling(
        settings(dns.address),
        Arc::new(move |address| {
            Box::pin(async move {
                if address.ip().to_string() != PUBLIC {
                    return Err(std::io::ErrorKind::NetworkUnreachable.into());
                }
                tokio::net::TcpStream::connect(to).await
            })
        }),
    )
    .unwrap();
    assert_eq!(checker.ask(&http(HOST)).await, Outcome::Shown);
}

#[tokio::test]
async fn nobody_listens() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let dns = dns(&[PUBLIC]).await;
    let checker = Checker::dialling(settings(dns.address), detour(free).0).unwrap();
    let outcome = checker.ask(&http(HOST)).await;
    assert_eq!(
        unanswered(&outcome),
        "no connection to port 80 of the host, it refuses"
    );
}
