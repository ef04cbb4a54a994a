//! Who is signed in with a browser, and who cannot make it so.

use anyhow::Result;

use crate::browser::SESSION;
use crate::cluster::NOW;
use crate::cluster::endpoint::WEB;
use crate::site::{HOST, Site};
use crate::stores::on_both;

const BROWSER: &str = "__Host-mintage-browser";

/// A browser sends no cookie of ours with a form of another site (`SameSite=Lax`), and keeps the one that it has.
#[tokio::test]
async fn a_form_of_another_site_outdates_no_page_of_another_window() -> Result<()> {
    let name = "sessions::a_form_of_another_site_outdates_no_page_of_another_window";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let ask = site.ask(WEB);
        let mut browser = site.browser();
        let page = browser.get(&ask.target()).await.good();
        let cookie = browser.cookie(BROWSER);
        let form: Vec<_> = form_urlencoded::parse(ask.encoded().as_bytes())
            .into_owned()
            .collect();
        let form: Vec<_> = form.iter().map(|(k, v)| (&**k, &**v)).collect();
        let by_post = async |form: &[(&str, &str)]| {
            let request = crate::site::post(HOST, "/authorize", form);
            site.send(request, None).await
        };
        let reply = by_post(&form).await;
        assert_eq!((reply.status, reply.location()), (303, &*ask.target()));
        assert_eq!(reply.header("set-cookie"), "");
        // By GET the browser shows its cookie, and both windows go on.
        let other = browser.get(reply.location()).await.good();
        assert_eq!(browser.cookie(BROWSER), cookie);
        for page in [page, other] {
            browser.sign_in(&page, "ada", "correct horse").await.code();
        }
        // A form of our own site is answered at once, and so is one that no request line holds.
        let page = browser
            .post("/authorize", &[&form[..], &[("prompt", "login")]].concat())
            .await;
        assert!(page.good().asks_to_sign_in());
        let long = "x".repeat(4096);
        let page = by_post(&[&form[..], &[("unknown", &long)]].concat()).await;
        assert!(page.good().asks_to_sign_in());
        Ok(())
    })
    .await
}

/// Attack 32, shared state of signing in (CVE-2026-33544): nobody signs another browser in as themselves.
#[tokio::test]
async fn attack_32_a_form_of_another_browser_signs_nobody_in() -> Result<()> {
    let name = "sessions::attack_32_a_form_of_another_browser_signs_nobody_in";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let ask = site.ask(WEB);
        let (mut eve, mut ada) = (site.browser(), site.browser());
        let evils = eve.get(&ask.target()).await.good();
        // A browser that was never here, and one that was.
        ada.sign_in(&evils, "bob", "correct horse")
            .await
            .failed(400, "cookies-missing");
        let own = ada.get(&ask.target()).await.good();
        ada.sign_in(&evils, "bob", "correct horse")
            .await
            .failed(400, "page-expired");
        assert_eq!(ada.cookie(SESSION), "");
        // Nor does the link that comes after signing in.
        let fields = [("username", "bob"), ("password", "correct horse")];
        let link = eve.submit_once(&evils, &fields).await;
        let link = link.location().to_owned();
        assert!(link.starts_with("/u/continue?state="), "{link}");
        ada.get(&link).await.failed(400, "page-expired");
        site.browser()
            .get(&link)
            .await
            .failed(400, "cookies-missing");
        eve.get(&link).await.code();
        ada.sign_in(&own, "ada", "correct horse").await.code();
        Ok(())
    })
    .await
}

#[tokio::test]
async fn attack_32_signing_in_gives_the_browser_a_cookie_that_nobody_knew() -> Result<()> {
    let name = "sessions::attack_32_signing_in_gives_the_browser_a_cookie_that_nobody_knew";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let ask = site.ask(WEB);
        let silent = ask.clone().with("prompt", "none");
        // A cookie that was planted is a session of nobody, before and after.
        let mut ada = site.browser();
        let planted = "cGxhbnRlZC1ieS1ldmUtcGxhbnRlZC1ieS1ldmUtMTI";
        ada.set_cookie(SESSION, planted);
        ada.get(&silent.target())
            .await
            .misused("login_required", "Login required");
        ada.authorize(&ask, "ada").await.code();
        let first = ada.cookie(SESSION);
        assert_ne!(first, planted);
        let mut eve = site.browser();
        eve.set_cookie(SESSION, planted);
        eve.get(&silent.target())
            .await
            .misused("login_required", "Login required");
        // One that was good ends when its browser signs in again.
        eve.set_cookie(SESSION, &first);
        eve.get(&silent.target()).await.code();
        let page = ada.get(&ask.clone().with("prompt", "login").target()).await;
        ada.sign_in(&page, "ada", "correct horse").await.code();
        assert_ne!(ada.cookie(SESSION), first);
        eve.get(&silent.target())
            .await
            .misused("login_required", "Login required");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_form_is_good_for_an_hour_and_after_a_restart() -> Result<()> {
    on_both(
        "sessions::a_form_is_good_for_an_hour_and_after_a_restart",
        async |opened| {
            let site = Site::on(opened);
            let mut browser = site.browser();
            let page = browser.get(&site.ask(WEB).target()).await.good();
            let cookie = browser.cookie(BROWSER);
            let after_a_restart = Site::on(opened);
            let mut same = after_a_restart.browser();
            same.set_cookie(BROWSER, &cookie);
            after_a_restart.clock.set(NOW + 3599);
            same.sign_in(&page, "ada", "correct horse").await.code();
            site.clock.set(NOW + 3600);
            browser
                .sign_in(&page, "ada", "correct horse")
                .await
                .failed(400, "page-expired");
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn a_session_ends_when_nobody_comes_and_in_any_case() -> Result<()> {
    on_both(
        "sessions::a_session_ends_when_nobody_comes_and_in_any_case",
        async |opened| {
            let day = 86_400;
            let site = Site::on(opened);
            let silent = site.ask(WEB).with("prompt", "none");
            let (mut idle, mut busy) = (site.browser(), site.browser());
            idle.authorize(&site.ask(WEB), "ada").await.code();
            busy.authorize(&site.ask(WEB), "ada").await.code();
            for days in [2, 4, 6] {
                site.clock.set(NOW + days * day);
                busy.get(&silent.target()).await.said("code");
            }
            site.clock.set(NOW + 3 * day);
            idle.get(&silent.target())
                .await
                .misused("login_required", "");
            site.clock.set(NOW + 7 * day - 1);
            busy.get(&silent.target()).await.code();
            site.clock.set(NOW + 7 * day);
            busy.get(&silent.target())
                .await
                .misused("login_required", "");
            // A step back revives neither.
            site.clock.set(NOW + 60);
            for browser in [&mut idle, &mut busy] {
                browser
                    .get(&silent.target())
                    .await
                    .misused("login_required", "");
            }
            Ok(())
        },
    )
    .await
}
