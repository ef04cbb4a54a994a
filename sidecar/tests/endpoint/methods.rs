//! Paths and methods that there are not, and the safe ones.

use anyhow::Result;
use axum::body::Body;
use axum::http::Request;

use crate::cluster::endpoint::WEB;
use crate::reply::Reply;
use crate::site::{HOST, Site};
use crate::stores::on_both;

async fn send(site: &Site, method: &str, path: &str) -> Reply {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("host", HOST).body(Body::empty());
    site.send(request.unwrap(), None).await
}

#[tokio::test]
async fn a_method_that_a_path_does_not_take_is_405_and_says_which_it_takes() -> Result<()> {
    let name = "methods::a_method_that_a_path_does_not_take_is_405_and_says_which_it_takes";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let documents = "GET, HEAD, OPTIONS";
        let table = [
            ("/", "GET, HEAD"),
            ("/authorize", "GET, POST"),
            ("/oauth/token", "POST, OPTIONS"),
            ("/oauth/revoke", "POST, OPTIONS"),
            ("/oauth/introspect", "POST"),
            ("/userinfo", "GET, HEAD, POST, OPTIONS"),
            ("/oidc/logout", "GET, POST"),
            ("/v2/logout", "GET"),
            ("/u/login", "POST"),
            ("/u/consent", "POST"),
            ("/u/continue", "GET"),
            ("/u/logout", "POST"),
            ("/.well-known/openid-configuration", documents),
            ("/.well-known/oauth-authorization-server", documents),
            ("/.well-known/jwks.json", documents),
        ];
        for (path, allowed) in table {
            for method in [
                "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE",
            ] {
                let reply = send(&site, method, path).await;
                let takes = allowed.split(", ").any(|taken| taken == method);
                assert_eq!(reply.status != 405, takes, "{method} {path}: {reply:?}");
                if !takes {
                    assert_eq!(reply.header("allow"), allowed, "{method} {path}");
                    // What the address bar shows after a form was sent, a person may open again.
                    let is_page = reply.header("content-type").starts_with("text/html");
                    assert_eq!(
                        is_page,
                        path.starts_with("/u/") && allowed == "POST",
                        "{path}"
                    );
                    assert_eq!(reply.header("cache-control"), "no-store");
                }
                assert!(!reply.header("x-request-id").is_empty(), "{method} {path}");
            }
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_path_that_there_is_not_is_a_page_that_says_so() -> Result<()> {
    on_both(
        "methods::a_path_that_there_is_not_is_a_page_that_says_so",
        async |opened| {
            let site = Site::on(opened);
            for path in [
                "/nowhere",
                "/oauth/token/",
                "/oauth/device/code",
                "/authorize/x",
                "/api/v2/clients",
            ] {
                for method in ["GET", "POST", "PUT"] {
                    send(&site, method, path).await.failed(404, "not-found");
                }
            }
            let request = Request::get("/authorize").header("host", "nobody.test");
            let reply = site.send(request.body(Body::empty())?, None).await;
            assert_eq!(
                reply.status, 404,
                "left to who serves issuers without an endpoint"
            );
            Ok(())
        },
    )
    .await
}

/// Whoever opens the address that a program printed is told that nothing is wrong, and nothing that the sign-in page does not show.
#[tokio::test]
async fn the_address_alone_says_whose_users_sign_in_there() -> Result<()> {
    let name = "methods::the_address_alone_says_whose_users_sign_in_there";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let mut browser = site.browser();
        for (language, words) in [
            ("en", "Users of <bdi>acme</bdi> sign in here"),
            ("de", "Hier melden sich die Benutzer von <bdi>acme</bdi> an"),
        ] {
            browser.headers = vec![("accept-language", language.into())];
            let page = browser.get("/").await.good();
            assert!(page.body.contains(words), "{words}: {page:?}");
            assert!(!page.headers.contains_key("set-cookie"), "{page:?}");
            assert!(
                !page.body.contains("<a ") && !page.body.contains("<form"),
                "{page:?}"
            );
        }
        Ok(())
    })
    .await
}

/// A link is looked at by HEAD before anybody follows it: that signs nobody out and gives no code.
#[tokio::test]
async fn a_look_at_a_link_changes_nothing() -> Result<()> {
    on_both(
        "methods::a_look_at_a_link_changes_nothing",
        async |opened| {
            let site = Site::on(opened);
            let mut browser = site.browser();
            let ask = site.ask(WEB);
            browser.authorize(&ask, "ada").await.code();
            for target in [
                &*ask.target(),
                "/v2/logout",
                "/oidc/logout",
                "/u/continue?state=x",
            ] {
                let request = Request::head(target).header("host", HOST);
                let reply = browser.send(request.body(Body::empty())?).await;
                assert_eq!(
                    (reply.status, reply.header("location")),
                    (405, ""),
                    "{target}"
                );
            }
            browser
                .get(&ask.with("prompt", "none").target())
                .await
                .code();
            Ok(())
        },
    )
    .await
}
