//! The loopback guard, on raw connections: no HTTP client would send most of these.

use crate::cluster::ORDERS;
use crate::pod::Pod;
use crate::raw::{exchange, status, token_request};

/// A token request with other lines about the host.
async fn ask(pod: &Pod, lines: &str) -> String {
    let request = token_request(lines, "Connection: close\r\n", ORDERS);
    exchange(pod.workload_api, request).await
}

#[tokio::test]
async fn only_the_loopback_is_answered() {
    let pod = Pod::checkout();
    for host in ["127.0.0.1:7600", "localhost", "[::1]:1", "LOCALHOST:65535"] {
        let good = ask(&pod, &format!("Host: {host}\r\n")).await;
        assert_eq!(status(&good), 200, "{good}");
    }
    for lines in [
        "Host: evil.test\r\n",
        "Host: evil.test:7600\r\n",
        "Host: 127.0.0.1.evil.test\r\n",
        "Host: 10.0.0.1:7600\r\n",
        "Host: 0.0.0.0:7600\r\n",
        "Host: localhost@evil.test\r\n",
        "Host: \r\n",
        "",
        "Host: localhost\r\nHost: evil.test\r\n",
        "Host: localhost\r\nHost: localhost\r\n",
    ] {
        let refused = ask(&pod, lines).await;
        assert_eq!(status(&refused), 421, "{lines:?}: {refused}");
        assert!(refused.contains("(host-not-loopback)"), "{refused}");
    }
}

#[tokio::test]
async fn an_absolute_target_is_asked_about_too() {
    let pod = Pod::checkout();
    let with = |target: &str| {
        token_request("Host: localhost\r\n", "Connection: close\r\n", ORDERS)
            .replace(" /oauth/token ", &format!(" {target} "))
    };
    let good = exchange(pod.workload_api, with("http://localhost:7600/oauth/token")).await;
    assert_eq!(status(&good), 200, "{good}");
    for target in [
        "http://evil.test/oauth/token",
        "http://localhost@evil.test/oauth/token",
        "http://localhost:80@evil.test/oauth/token",
    ] {
        let refused = exchange(pod.workload_api, with(target)).await;
        assert!(matches!(status(&refused), 400 | 421), "{refused}");
        assert!(!refused.contains("access_token"), "{refused}");
    }
}

#[tokio::test]
async fn pages_in_a_browser_are_refused() {
    let pod = Pod::checkout();
    let with = |line: &str| format!("Host: localhost\r\n{line}");
    for line in [
        "",
        "Sec-Fetch-Site: none\r\n",
        "Sec-Fetch-Site: same-origin\r\n",
    ] {
        assert_eq!(status(&ask(&pod, &with(line)).await), 200, "{line}");
    }
    for line in [
        "Origin: https://evil.test\r\n",
        "Origin: null\r\n",
        "Origin: http://localhost:7600\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n",
    ] {
        let refused = ask(&pod, &with(line)).await;
        assert_eq!(status(&refused), 403, "{line}: {refused}");
        assert!(refused.contains("(origin-refused)"), "{refused}");
        assert!(
            !refused.contains("access-control-allow-origin"),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn every_route_is_guarded() {
    let pod = Pod::orders();
    for path in [
        "/oauth/token",
        "/introspect",
        "/validate",
        "/.well-known/jwks.json",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-protected-resource",
        "/nowhere",
    ] {
        for (line, code) in [
            ("Host: evil.test", 421),
            ("Host: localhost\r\nOrigin: null", 403),
        ] {
            let request = format!("GET {path} HTTP/1.1\r\n{line}\r\nConnection: close\r\n\r\n");
            let refused = exchange(pod.workload_api, request).await;
            assert_eq!(status(&refused), code, "{path}: {refused}");
        }
    }
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let pod = Pod::checkout();
    for bytes in [
        "\x16\x03\x01\x02\x00\x01\x00",
        "GET /\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let refused = exchange(pod.workload_api, bytes).await;
        assert!(matches!(status(&refused), 0 | 400), "{refused}");
    }
    let lengths = token_request("Host: localhost\r\n", "Content-Length: 1\r\n", ORDERS);
    assert_eq!(status(&exchange(pod.workload_api, lengths).await), 400);
    // The server goes on.
    assert_eq!(pod.token(ORDERS).await.split('.').count(), 3);
}
