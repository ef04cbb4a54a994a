//! Attack 31: consent that is skipped, forged, or stretched.

use anyhow::Result;

use crate::cluster::ORDERS;
use crate::cluster::endpoint::{BRIEF, NATIVE, OTHER, SPA, WEB};
use crate::site::Site;
use crate::stores::on_both;

#[tokio::test]
async fn attack_31_no_silence_is_consent() -> Result<()> {
    on_both(
        "consents::attack_31_no_silence_is_consent",
        async |opened| {
            let site = Site::on(opened);
            let mut browser = site.browser();
            let ask = site
                .ask(SPA)
                .with("audience", ORDERS)
                .with("scope", "openid read");
            let silent = ask.clone().with("prompt", "none");
            browser.authorize(&site.ask(WEB), "ada").await.code();
            browser
                .get(&silent.target())
                .await
                .misused("consent_required", "Consent required");
            browser.authorize(&ask, "ada").await.code();
            browser.get(&silent.target()).await.code();
            // One scope more, another API, no scope at all, another user, another application: each is asked about.
            for changed in [
                silent.clone().with("scope", "openid read write"),
                silent.clone().with("scope", "openid profile read"),
                silent.clone().with("audience", BRIEF),
                silent.clone().with("audience", BRIEF).with("scope", ""),
                silent.clone().without("audience"),
            ] {
                let reply = browser.get(&changed.target()).await;
                reply.misused("consent_required", "Consent required");
            }
            let mut bobs = site.browser();
            bobs.authorize(&site.ask(WEB), "bob").await.code();
            bobs.get(&silent.target())
                .await
                .misused("consent_required", "Consent required");
            site.edit_application(OTHER, |other| other.first_party = false);
            let other = site
                .ask(OTHER)
                .with("prompt", "none")
                .with("audience", ORDERS);
            browser
                .get(&other.target())
                .await
                .misused("consent_required", "Consent required");
            // Who wants to be asked is asked, whatever was allowed.
            let again = browser.get(&ask.with("prompt", "consent").target()).await;
            assert!(again.asks_for_consent(), "{again:?}");
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn attack_31_where_any_program_may_listen_the_user_is_asked_each_time() -> Result<()> {
    let name = "consents::attack_31_where_any_program_may_listen_the_user_is_asked_each_time";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let mut browser = site.browser();
        let at = |place| {
            site.ask(NATIVE)
                .with("audience", ORDERS)
                .with("redirect_uri", place)
        };
        let verifiable = at("https://native.test/callback");
        browser.authorize(&verifiable, "ada").await.code();
        browser
            .get(&verifiable.with("prompt", "none").target())
            .await
            .code();
        for place in ["com.acme.app:/callback", "http://127.0.0.1:4000/callback"] {
            for _ in 0..2 {
                let ask = at(place);
                let page = browser.get(&ask.target()).await.good();
                assert!(page.asks_for_consent(), "{page:?}");
                let silent = browser.get(&ask.with("prompt", "none").target()).await;
                silent.misused("consent_required", "Consent required");
                browser.submit(&page, &[("decision", "yes")]).await.code();
            }
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn attack_31_a_decision_is_of_the_browser_the_user_and_the_question() -> Result<()> {
    let name = "consents::attack_31_a_decision_is_of_the_browser_the_user_and_the_question";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let ask = site
            .ask(SPA)
            .with("audience", ORDERS)
            .with("scope", "openid read");
        let mut ada = site.browser();
        ada.authorize(&site.ask(WEB), "ada").await.code();
        let page = ada.get(&ask.target()).await.good();
        let yes = [("decision", "yes")];
        // Another browser, signed in as whoever it is.
        let mut eve = site.browser();
        eve.submit(&page, &yes).await.failed(400, "cookies-missing");
        eve.authorize(&site.ask(WEB), "bob").await.code();
        eve.submit(&page, &yes).await.failed(400, "page-expired");
        // The same browser, after somebody else signed in with it.
        let again = ada
            .get(&site.ask(WEB).with("prompt", "login").target())
            .await;
        ada.sign_in(&again, "bob", "correct horse").await.code();
        ada.submit(&page, &yes).await.failed(400, "page-expired");
        // The right user in the right browser: without a decision, with none that there is, and with the form of another page.
        let again = ada
            .get(&site.ask(WEB).with("prompt", "login").target())
            .await;
        ada.sign_in(&again, "ada", "correct horse").await.code();
        let page = ada.get(&ask.target()).await.good();
        ada.submit(&page, &[]).await.failed(400, "request-wrong");
        ada.submit(&page, &[("decision", "perhaps")])
            .await
            .failed(400, "request-wrong");
        let state = &page.form().hidden[0].1;
        for path in ["/u/login", "/u/logout"] {
            let form = [
                ("state", &**state),
                ("decision", "yes"),
                ("username", "ada"),
            ];
            ada.post(path, &form).await.failed(400, "page-expired");
        }
        let sealed = form_urlencoded::byte_serialize(state.as_bytes()).collect::<String>();
        let reply = ada.get(&format!("/u/continue?state={sealed}")).await;
        reply.failed(400, "page-expired");
        assert!(
            ada.get(&ask.clone().with("prompt", "none").target())
                .await
                .said("code")
                .is_empty()
        );
        ada.submit(&page, &yes).await.code();
        Ok(())
    })
    .await
}
