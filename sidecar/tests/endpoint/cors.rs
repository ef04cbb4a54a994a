//! Which pages may read the answers: those of the application that asks.

use anyhow::Result;
use axum::body::Body;
use axum::http::Request;

use crate::cluster::ORDERS;
use crate::cluster::endpoint::{SPA, WEB};
use crate::reply::Reply;
use crate::site::{HOST, Site, post};
use crate::stores::on_both;

const ALLOWED: &str = "access-control-allow-origin";

async fn preflight(site: &Site, path: &str, origin: &str) -> Reply {
    let request = Request::options(path)
        .header("host", HOST)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "auth0-client,content-type",
        );
    site.send(request.body(Body::empty()).unwrap(), None).await
}

#[tokio::test]
async fn pages_of_applications_are_told_that_they_may_ask() -> Result<()> {
    on_both(
        "cors::pages_of_applications_are_told_that_they_may_ask",
        async |opened| {
            let site = Site::on(opened);
            for path in ["/oauth/token", "/oauth/revoke", "/userinfo"] {
                let reply = preflight(&site, path, "https://spa.test").await;
                assert_eq!(
                    (reply.status, reply.header(ALLOWED)),
                    (204, "https://spa.test")
                );
                assert_eq!(reply.header("vary"), "Origin");
                assert!(
                    reply
                        .header("access-control-allow-headers")
                        .contains("auth0-client")
                );
                assert_eq!(reply.header("access-control-allow-methods"), "GET, POST");
                for origin in [
                    "https://evil.test",
                    "https://spa.test.evil.test",
                    "https://evil-spa.test",
                    "http://spa.test",
                    "https://spa.test:8443",
                    "HTTPS://SPA.TEST",
                    "null",
                    "",
                ] {
                    let reply = preflight(&site, path, origin).await;
                    assert_eq!(
                        (reply.header(ALLOWED), reply.header("vary")),
                        ("", "Origin")
                    );
                }
                assert_eq!(reply.header("access-control-allow-credentials"), "");
            }
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn an_answer_is_read_by_pages_of_its_application_alone() -> Result<()> {
    on_both(
        "cors::an_answer_is_read_by_pages_of_its_application_alone",
        async |opened| {
            let site = Site::on(opened);
            let (spa, ask) = (site.client(SPA), site.ask(SPA).with("audience", ORDERS));
            let own = "https://spa.test";
            let mut browser = site.browser();
            let tokens_for = async |code: &str, origin: &str| {
                let form = [spa.shown(), ask.redemption(code)].concat();
                let mut request = post(HOST, "/oauth/token", &form);
                request
                    .headers_mut()
                    .insert("origin", origin.parse().unwrap());
                site.send(request, None).await
            };
            let code = browser.authorize(&ask, "ada").await.code();
            let reply = tokens_for(&code, own).await.good();
            assert_eq!(reply.header(ALLOWED), own);
            assert_eq!(reply.header("vary"), "Origin");
            assert_eq!(reply.header("access-control-allow-credentials"), "");
            let token = reply.text("access_token");
            // A refusal, too; and pages of another application of the tenant read neither.
            let reply = tokens_for(&code, own).await;
            reply.refused(403, "invalid_grant", "");
            assert_eq!(reply.header(ALLOWED), own);
            for origin in ["https://web.test", "https://evil.test", "null"] {
                let code = browser.authorize(&ask, "ada").await.code();
                let reply = tokens_for(&code, origin).await;
                assert_eq!((reply.status, reply.header(ALLOWED)), (200, ""), "{origin}");
            }

            for (origin, allowed) in [(own, own), ("https://web.test", ""), ("null", "")] {
                let request = Request::get("/userinfo")
                    .header("host", HOST)
                    .header("origin", origin)
                    .header("authorization", format!("Bearer {token}"));
                let request = request.body(Body::empty())?;
                assert_eq!(
                    site.send(request, None).await.good().header(ALLOWED),
                    allowed
                );
                let mut request = post(
                    HOST,
                    "/oauth/revoke",
                    &[("client_id", &spa.id), ("token", "x")],
                );
                request.headers_mut().insert("origin", origin.parse()?);
                assert_eq!(
                    site.send(request, None).await.good().header(ALLOWED),
                    allowed
                );
            }
            Ok(())
        },
    )
    .await
}

/// What a browser holds for the user is read by no page of others at all.
#[tokio::test]
async fn pages_to_people_are_read_by_no_other_page() -> Result<()> {
    on_both(
        "cors::pages_to_people_are_read_by_no_other_page",
        async |opened| {
            let site = Site::on(opened);
            let mut browser = site.browser();
            browser.headers = vec![("origin", "https://web.test".into())];
            for target in [
                &*site.ask(WEB).target(),
                "/oidc/logout",
                "/v2/logout",
                "/nowhere",
            ] {
                assert_eq!(browser.get(target).await.header(ALLOWED), "", "{target}");
            }
            Ok(())
        },
    )
    .await
}
