//! The listener without TLS is for proxies that the tenant trusts.

use reqwest::header::{HOST, STRICT_TRANSPORT_SECURITY};

use crate::cluster::name;
use crate::process::{Process, builder};
use crate::tenant::Tenant;

/// Asks the plain listener for the tenant's keys, with headers.
async fn ask(process: &Process, headers: &[(&'static str, &'static str)]) -> (u16, String) {
    let url = format!("http://{}/.well-known/jwks.json", process.proxies);
    let mut request = builder().build().unwrap().get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

const ASKED: (&str, &str) = ("host", "acme.test");
const BY_HTTPS: (&str, &str) = ("x-forwarded-proto", "https");

/// Attack 32: whoever is no proxy of the tenant's is not believed, nor answered.
#[tokio::test]
async fn attack_32_nobody_but_a_trusted_proxy_is_answered_without_tls() {
    assert_eq!(ASKED.0, HOST.as_str());
    let mut tenant = Tenant::new(|_| {});
    let process = Process::ready(&mut tenant).await;
    let (status, text) = ask(&process, &[ASKED, BY_HTTPS]).await;
    assert_eq!(status, 403);
    assert!(text.contains("proxy-not-trusted"), "{text}");
}

#[tokio::test]
async fn a_trusted_proxy_is_answered_if_it_was_asked_by_https() {
    let mut tenant = Tenant::new(|world| {
        let mut login = (**world.tenants[0].endpoint.as_ref().unwrap()).clone();
        login.trusted_proxies = vec!["127.0.0.0/8".to_owned()];
        world.tenants[0].endpoint = Some(login.into());
        world.domains[0].at = name("identity/login");
    });
    let process = Process::ready(&mut tenant).await;
    assert_eq!(ask(&process, &[ASKED, BY_HTTPS]).await.0, 200);
    let at_another_host = [("x-forwarded-host", "login.acme.test"), BY_HTTPS];
    assert_eq!(ask(&process, &at_another_host).await.0, 200);
    for headers in [
        &[ASKED][..],
        &[ASKED, ("x-forwarded-proto", "http")],
        // What the client said of itself comes first; the last word is the proxy's.
        &[ASKED, ("x-forwarded-proto", "https, http")],
        &[ASKED, BY_HTTPS, ("x-forwarded-proto", "http")],
        &[("host", "elsewhere.test"), BY_HTTPS],
    ] {
        assert_eq!(ask(&process, headers).await.0, 403, "{headers:?}");
    }
}

/// RFC 6797 section 7.2: over TLS each answer says so, and without it none does.
#[tokio::test]
async fn browsers_are_told_to_come_by_https_alone() {
    let mut tenant = Tenant::new(|_| {});
    let process = Process::ready(&mut tenant).await;
    for (path, status) in [("/.well-known/jwks.json", 200), ("/authorize", 400)] {
        let answer = process.get("acme.test", path).await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        let policy = answer.headers()[STRICT_TRANSPORT_SECURITY].to_str();
        assert_eq!(policy.unwrap(), "max-age=31536000", "{path}");
    }
    let plain = builder().build().unwrap();
    let url = format!("http://{}/authorize", process.proxies);
    let answer = plain.get(url).send().await.unwrap();
    assert!(!answer.headers().contains_key(STRICT_TRANSPORT_SECURITY));
}
