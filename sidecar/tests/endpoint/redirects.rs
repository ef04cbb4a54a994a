//! Attacks 19 and 20: addresses that look like the application's, and are not.

use anyhow::Result;

use crate::cluster::endpoint::{NATIVE, SPA, WEB};
use crate::site::Site;
use crate::stores::on_both;

/// Each is one change from `https://spa.test/callback`, or another way to write it.
const TRICKS: [&str; 26] = [
    "https://evil.test/callback",
    "https://spa.test.evil.test/callback",
    "https://evil.test/https://spa.test/callback",
    "https://spa.test@evil.test/callback",
    "https://spa.test:x@evil.test/callback",
    "https://a@b@spa.test/callback",
    "https://spa.test\\@evil.test/callback",
    "https://spa.test/callback/..;/evil",
    "https://spa.test/callback/../evil",
    "https://spa.test/callback/%2e%2e/evil",
    "https://spa.test/callbackevil",
    "https://spa.test/callback/",
    "https://spa.test/Callback",
    "https://spa.test/callback?next=https://evil.test",
    "https://spa.test/callback#fragment",
    "https://spa.test:443/callback",
    "https://spa.test:8443/callback",
    "HTTPS://spa.test/callback",
    "http://spa.test/callback",
    "http://localhost/callback",
    "http://[::1]/callback",
    "//spa.test/callback",
    "JaVaScript:alert(1)//https://spa.test/callback",
    "data:text/html,https://spa.test/callback",
    "https://spa.test/callback%0d%0aset-cookie:%20a=b",
    "https://spa.test/callback\u{0}",
];

#[tokio::test]
async fn attack_19_no_trick_with_an_address_leads_anywhere() -> Result<()> {
    let name = "redirects::attack_19_no_trick_with_an_address_leads_anywhere";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let (ask, mut browser) = (site.ask(SPA), site.browser());
        browser.authorize(&ask, "ada").await.code();
        for trick in TRICKS {
            let asked = ask.clone().with("redirect_uri", trick);
            for prompt in ["", "none"] {
                let target = asked.clone().with("prompt", prompt).target();
                browser.get(&target).await.failed(400, "callback-mismatch");
            }
            // Nor does an error of another kind send anybody there.
            let broken = asked.without("response_type").with("scope", "\u{e4}");
            let reply = browser.get(&broken.target()).await;
            reply.failed(400, "callback-mismatch");
        }
        browser.authorize(&ask, "ada").await.code();
        Ok(())
    })
    .await
}

#[tokio::test]
async fn attack_20_without_an_address_of_the_application_there_is_a_page_and_no_answer()
-> Result<()> {
    let name =
        "redirects::attack_20_without_an_address_of_the_application_there_is_a_page_and_no_answer";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let (ask, mut browser) = (site.ask(SPA), site.browser());
        browser.authorize(&ask, "ada").await.code();
        let web = site.client(WEB).id;
        for (changed, code) in [
            (ask.clone().without("redirect_uri"), "request-wrong"),
            (ask.clone().without("client_id"), "request-wrong"),
            (
                ask.clone().with("client_id", "nobody"),
                "unknown-application",
            ),
            (ask.clone().with("client_id", &web), "callback-mismatch"),
        ] {
            browser.get(&changed.target()).await.failed(400, code);
            let posted = browser.post("/authorize", &[("redirect_uri", "x")]).await;
            posted.failed(400, "request-wrong");
        }
        let twice = format!("{}&redirect_uri=https://evil.test/", ask.target());
        browser.get(&twice).await.failed(400, "request-wrong");
        browser.authorize(&ask, "ada").await.code();
        Ok(())
    })
    .await
}

/// An address that is taken back while somebody signs in is not used any more.
#[tokio::test]
async fn attack_20_an_address_that_was_taken_back_meanwhile_gets_no_code() -> Result<()> {
    let name = "redirects::attack_20_an_address_that_was_taken_back_meanwhile_gets_no_code";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let (ask, mut browser) = (site.ask(SPA), site.browser());
        let page = browser.get(&ask.target()).await;
        let consent = browser.sign_in(&page, "ada", "correct horse").await;
        assert!(consent.asks_for_consent(), "{consent:?}");
        site.edit_application(SPA, |spa| {
            spa.redirect_uris = vec!["https://new.test/callback".into()];
        });
        let reply = browser.submit(&consent, &[("decision", "yes")]).await;
        reply.failed(400, "unknown-application");
        let reply = browser.submit(&page, &[("username", "ada")]).await;
        reply.failed(400, "unknown-application");
        Ok(())
    })
    .await
}

/// A program on a user's machine listens on whatever port is free (RFC 8252 section 7.3), of the loopback alone.
#[tokio::test]
async fn attack_19_any_port_of_the_loopback_is_for_native_programs_alone() -> Result<()> {
    let name = "redirects::attack_19_any_port_of_the_loopback_is_for_native_programs_alone";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let mut browser = site.browser();
        let at = |place| site.ask(NATIVE).with("redirect_uri", place);
        let reply = browser
            .authorize(&at("http://127.0.0.1:49152/callback"), "ada")
            .await;
        assert!(
            reply
                .location()
                .starts_with("http://127.0.0.1:49152/callback?")
        );
        for place in [
            "http://127.0.0.1:49152/other",
            "http://127.0.0.2:49152/callback",
            "http://localhost:49152/callback",
            "http://0.0.0.0:49152/callback",
            "https://native.test:49152/callback",
            "com.acme.app:/other",
            "com.acme.app.evil:/callback",
        ] {
            let reply = browser.get(&at(place).target()).await;
            reply.failed(400, "callback-mismatch");
        }
        site.edit_application(WEB, |web| {
            web.redirect_uris.push("http://127.0.0.1/callback".into());
        });
        let ask = site
            .ask(WEB)
            .with("redirect_uri", "http://127.0.0.1/callback");
        browser.authorize(&ask, "ada").await.code();
        let ask = ask.with("redirect_uri", "http://127.0.0.1:49152/callback");
        browser
            .get(&ask.target())
            .await
            .failed(400, "callback-mismatch");
        Ok(())
    })
    .await
}
