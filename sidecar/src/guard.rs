//! Keeps browsers and forged requests away from the loopback (attack 42, DNS rebinding).

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode};

use crate::oauth::OAuthError;
use crate::rule::Rule;

/// Refuses a request that names another host than the loopback (421), or that a page in a browser sent (403).
pub fn loopback_only(request: &Request) -> Result<(), OAuthError> {
    if !names_loopback(request) {
        return Err(OAuthError::new(
            StatusCode::MISDIRECTED_REQUEST,
            "invalid_request",
            Rule::HostNotLoopback,
            "the workload API answers to 127.0.0.1, [::1] and localhost only; use MINTAGE_URL as it is",
        ));
    }
    if is_from_a_page(request.headers()) {
        return Err(OAuthError::new(
            StatusCode::FORBIDDEN,
            "access_denied",
            Rule::OriginRefused,
            "the workload API is for the application in the pod, not for pages in a browser",
        ));
    }
    Ok(())
}

fn names_loopback(request: &Request) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    // Two Host headers, or an absolute target that names somebody else, are two opinions on who is asked.
    let target = request
        .uri()
        .authority()
        .is_none_or(|authority| is_loopback(authority.as_str()));
    host.is_some_and(is_loopback) && hosts.next().is_none() && target
}

/// Whether a Host value is the loopback, with or without a port.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest
            .split_once(']')
            .map(|(name, port)| (name, port.strip_prefix(':').unwrap_or(port))),
        None => Some(host.split_once(':').unwrap_or((host, ""))),
    };
    let Some((name, port)) = name else {
        return false;
    };
    port.bytes().all(|byte| byte.is_ascii_digit())
        && (name.eq_ignore_ascii_case("localhost")
            || name
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback()))
}

/// Browsers say where a request comes from; applications do not.
pub fn is_from_a_page(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN)
        || headers
            .get_all("sec-fetch-site")
            .iter()
            .any(|site| site != "none" && site != "same-origin")
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_the_loopback_is_the_loopback() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:7600",
            "127.9.9.9",
            "localhost",
            "LocalHost:1",
            "[::1]",
            "[::1]:7600",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "example.com",
            "127.0.0.1.nip.io",
            "localhost.example.com",
            "evil.localhost",
            "0.0.0.0",
            "10.0.0.1",
            "[::1",
            "[::]",
            "127.0.0.1:7600:1",
            "127.0.0.1@evil",
            "2130706433",
            "127.1",
            "localhost.",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
