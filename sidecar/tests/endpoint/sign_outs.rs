//! Signing out, by the application that asks and by nobody else.

use anyhow::Result;

use crate::browser::{Browser, SESSION};
use crate::cluster::ORDERS;
use crate::cluster::endpoint::{OTHER, WEB};
use crate::site::{HOST, Site};
use crate::stores::on_both;

/// A browser that Ada signed in with, and her ID token.
async fn signed_in(site: &Site) -> (Browser<'_>, String) {
    let (ask, mut browser) = (site.ask(WEB), site.browser());
    let code = browser.authorize(&ask, "ada").await.code();
    let tokens = site.redeem(&site.client(WEB), &ask, &code).await.good();
    (browser, tokens.text("id_token"))
}

async fn is_signed_in(site: &Site, browser: &mut Browser<'_>) -> bool {
    let silent = site.ask(WEB).with("prompt", "none");
    let reply = browser.get(&silent.target()).await;
    !reply.said("code").is_empty()
}

#[tokio::test]
async fn an_application_signs_its_user_out() -> Result<()> {
    on_both(
        "sign_outs::an_application_signs_its_user_out",
        async |opened| {
            let site = Site::on(opened);
            let client = site.client(WEB).id;
            let bye = "https://web.test/bye";
            let (mut browser, id_token) = signed_in(&site).await;
            let session = browser.cookie(SESSION);
            let target = format!(
                "/oidc/logout?id_token_hint={id_token}&post_logout_redirect_uri={bye}&state=s"
            );
            let reply = browser.get(&target).await;
            assert_eq!(
                (reply.status, reply.location()),
                (302, "https://web.test/bye?state=s")
            );
            assert_eq!(browser.cookie(SESSION), "");
            // The session is gone, and not only the cookie.
            browser.set_cookie(SESSION, &session);
            assert!(!is_signed_in(&site, &mut browser).await);

            let (mut browser, _) = signed_in(&site).await;
            let reply = browser
                .get(&format!("/v2/logout?client_id={client}&returnTo={bye}"))
                .await;
            assert_eq!((reply.status, reply.location()), (302, bye));
            assert!(!is_signed_in(&site, &mut browser).await);

            let (mut browser, id_token) = signed_in(&site).await;
            let form = [
                ("id_token_hint", &*id_token),
                ("post_logout_redirect_uri", bye),
            ];
            let reply = browser.post("/oidc/logout", &form).await;
            assert_eq!((reply.status, reply.location()), (303, bye));
            assert!(!is_signed_in(&site, &mut browser).await);
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn attack_32_a_link_alone_signs_nobody_out() -> Result<()> {
    on_both(
        "sign_outs::attack_32_a_link_alone_signs_nobody_out",
        async |opened| {
            let site = Site::on(opened);
            let (mut ada, _) = signed_in(&site).await;
            let web = site.client(WEB);
            let ask = site.ask(WEB);
            let code = site.browser().authorize(&ask, "bob").await.code();
            let bobs = site.redeem(&web, &ask, &code).await.good().text("id_token");
            // Without a hint, and with the hint of somebody else, the user is asked.
            for target in [
                "/oidc/logout".to_owned(),
                format!("/oidc/logout?client_id={}", web.id),
                format!("/oidc/logout?id_token_hint={bobs}"),
            ] {
                let page = ada.get(&target).await.good();
                assert!(is_signed_in(&site, &mut ada).await, "{target}");
                ada.submit(&page, &[("decision", "stay")]).await.good();
                assert!(is_signed_in(&site, &mut ada).await, "{target}");
                // The question to one browser is no answer of another.
                let (mut other, _) = signed_in(&site).await;
                other
                    .submit(&page, &[("decision", "here")])
                    .await
                    .failed(400, "page-expired");
                assert!(is_signed_in(&site, &mut other).await, "{target}");
            }
            // Nor is it a picture, a frame or a script of another page.
            for destination in ["image", "iframe", "script", "empty"] {
                ada.headers = vec![("sec-fetch-dest", destination.into())];
                ada.get("/v2/logout").await.failed(400, "request-wrong");
                ada.headers.clear();
                assert!(is_signed_in(&site, &mut ada).await, "{destination}");
            }
            // A post from another site brings no cookie of the browser's.
            ada.post("/u/logout", &[("decision", "here")])
                .await
                .failed(400, "page-expired");
            assert!(is_signed_in(&site, &mut ada).await);
            let page = ada.get("/oidc/logout").await.good();
            ada.submit(&page, &[("decision", "here")]).await.good();
            assert!(!is_signed_in(&site, &mut ada).await);
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn attack_26_a_user_signs_out_everywhere() -> Result<()> {
    let name = "sign_outs::attack_26_a_user_signs_out_everywhere";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let web = site.client(WEB);
        let (mut here, _) = signed_in(&site).await;
        let (mut elsewhere, _) = signed_in(&site).await;
        let token = site.refresh_token(WEB, ORDERS).await;
        let mut bob = site.browser();
        bob.authorize(&site.ask(WEB), "bob").await.code();

        // Of this browser alone, at first.
        let page = here.get("/oidc/logout").await.good();
        here.submit(&page, &[("decision", "here")]).await.good();
        assert!(is_signed_in(&site, &mut elsewhere).await);
        let reply = site.refresh(&web, &token).await.good();
        let token = reply.text("refresh_token");

        let (mut here, _) = signed_in(&site).await;
        let ask = site.ask(WEB);
        let on_its_way = elsewhere.get(&ask.target()).await.code();
        let page = here.get("/oidc/logout").await.good();
        // A wish that is none changes nothing.
        here.submit(&page, &[("decision", "yes")]).await.good();
        assert!(is_signed_in(&site, &mut here).await);
        here.submit(&page, &[("decision", "everywhere")])
            .await
            .good();
        assert!(!is_signed_in(&site, &mut here).await);
        assert!(!is_signed_in(&site, &mut elsewhere).await);
        let reply = site.refresh(&web, &token).await;
        reply.refused(403, "invalid_grant", "Unknown or invalid refresh token.");
        let reply = site.redeem(&web, &ask, &on_its_way).await;
        reply.refused(403, "invalid_grant", "Invalid authorization code");
        assert!(is_signed_in(&site, &mut bob).await, "others go on");
        Ok(())
    })
    .await
}

/// Attack 19, after signing out.
#[tokio::test]
async fn attack_19_signing_out_leads_to_the_applications_own_addresses() -> Result<()> {
    let name = "sign_outs::attack_19_signing_out_leads_to_the_applications_own_addresses";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let (web, other) = (site.client(WEB).id, site.client(OTHER).id);
        let (mut browser, hint) = signed_in(&site).await;
        for address in [
            "https://evil.test/bye",
            "https://web.test/bye/",
            "https://web.test/bye?x=1",
            "https://web.test/callback",
            "https://other.test/bye",
            "//web.test/bye",
            "javascript:alert(1)",
        ] {
            let address: String = form_urlencoded::byte_serialize(address.as_bytes()).collect();
            for target in [
                format!("/v2/logout?client_id={web}&returnTo={address}"),
                format!("/v2/logout?returnTo={address}"),
                format!("/oidc/logout?id_token_hint={hint}&post_logout_redirect_uri={address}"),
                format!("/oidc/logout?client_id={web}&post_logout_redirect_uri={address}"),
            ] {
                browser.get(&target).await.failed(400, "logout-mismatch");
                assert!(is_signed_in(&site, &mut browser).await, "{target}");
            }
        }
        let mixed = format!("/oidc/logout?id_token_hint={hint}&client_id={other}");
        browser.get(&mixed).await.failed(400, "request-wrong");
        let access = site
            .tokens(WEB, "https://orders.test", "openid")
            .await
            .text("access_token");
        for hint in [&*access, &hint[1..], "x"] {
            let reply = browser
                .get(&format!("/oidc/logout?id_token_hint={hint}"))
                .await;
            reply.failed(400, "request-wrong");
        }
        let good = format!(
            "/oidc/logout?id_token_hint={hint}&post_logout_redirect_uri=https://web.test/bye"
        );
        assert_eq!(browser.get(&good).await.location(), "https://web.test/bye");
        assert_eq!(browser.host, HOST);
        Ok(())
    })
    .await
}
