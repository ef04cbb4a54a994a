//! Providers that misbehave, and answers that are not theirs: a sign-in that works, one change, this refusal.

use std::time::Duration;

use anyhow::Result;
use mintage_core::Seconds;
use mintage_sidecar::endpoint::Reach;
use serde_json::{Value, json};

use crate::audit::exposed;
use crate::browser::SESSION;
use crate::cluster::NOW;
use crate::cluster::endpoint::WEB;
use crate::idp::{Idp, Manner, Script, Signed, at};
use crate::site::Site;
use crate::stores::on_both;
use crate::visits::{signs_in, with_provider};

const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Asserts that a provider that is changed signs nobody in, and that it does so unchanged.
async fn is_refused(site: &Site, idp: &Idp, fault: &str, change: impl FnOnce(&mut Script)) {
    idp.edit(change);
    let reply = signs_in(site, idp, "ada").await;
    reply.failed(502, "connection-failed");
    assert!(reply.body.contains(fault), "{fault}: {reply:?}");
    assert!(!reply.headers.contains_key("set-cookie"), "{reply:?}");
    idp.edit(|script| {
        script.claims.clear();
        script.signed = Signed::Well;
        script.manners.clear();
        script.iss = None;
    });
    signs_in(site, idp, "ada").await.code();
}

#[tokio::test]
async fn attack_43_an_id_token_that_is_not_the_answer_signs_nobody_in() -> Result<()> {
    let name = "providers::attack_43_an_id_token_that_is_not_the_answer_signs_nobody_in";
    on_both(name, async |opened| {
        let (site, idp) = with_provider(opened).await;
        let claims: [(&str, &'static str, Value); 8] = [
            ("id-token-nonce", "nonce", json!("another")),
            ("id-token-nonce", "nonce", Value::Null),
            ("id-token-issuer", "iss", json!("https://evil.test")),
            ("id-token-audience", "aud", json!("another")),
            ("id-token-audience", "azp", json!("another")),
            ("id-token-expired", "exp", at(NOW - 61)),
            ("id-token-too-early", "iat", at(NOW + 61)),
            ("id-token-hash", "at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA")),
        ];
        for (fault, claim, value) in claims {
            is_refused(&site, &idp, fault, |script| {
                script.claims.insert(claim, value);
            })
            .await;
        }
        is_refused(&site, &idp, "provider-subject", |script| {
            script.claims.insert("sub", json!("ädä"));
        })
        .await;
        for (fault, signed) in [
            ("id-token-malformed", Signed::Not),
            ("id-token-algorithm", Signed::ByHmac),
            ("id-token-key-unknown", Signed::ByUnknown),
            ("id-token-signature", Signed::ByAnother),
        ] {
            is_refused(&site, &idp, fault, |script| script.signed = signed).await;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_provider_that_gives_no_tokens_signs_nobody_in() -> Result<()> {
    let name = "providers::a_provider_that_gives_no_tokens_signs_nobody_in";
    on_both(name, async |opened| {
        let (site, idp) = with_provider(opened).await;
        for (fault, manner) in [
            ("provider-code-refused", Manner::Refusing),
            ("provider-too-large", Manner::Huge),
            ("id-token-malformed", Manner::Garbage),
            ("provider-redirects", Manner::Redirecting),
            ("provider-status", Manner::Broken),
        ] {
            is_refused(&site, &idp, fault, |script| {
                script.manners.insert("/token", manner);
            })
            .await;
        }
        Ok(())
    })
    .await
}

/// The address behind a redirect is not asked, and what is slow is waited for so long and no longer.
#[tokio::test]
async fn what_is_slow_is_given_up() -> Result<()> {
    let name = "providers::what_is_slow_is_given_up";
    on_both(name, async |opened| {
        let mut reach = Reach::default();
        reach.timeout = Duration::from_secs(3);
        let site = Site::reaching(opened.store.clone(), reach);
        let idp = Idp::start().await;
        site.edit_connections(|all| all.push(idp.connection("corp")));
        is_refused(&site, &idp, "provider-unreachable", |script| {
            script.manners.insert("/token", Manner::Slow);
        })
        .await;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_provider_is_known_by_the_certificate_of_an_authority_that_is_trusted() -> Result<()> {
    let name = "providers::a_provider_is_known_by_the_certificate_of_an_authority_that_is_trusted";
    on_both(name, async |opened| {
        let (idp, authority) = Idp::start_with_tls();
        let reach = Reach::default().trusting(authority.as_bytes())?;
        let site = Site::reaching(opened.store.clone(), reach);
        site.edit_connections(|all| all.push(idp.connection("corp")));
        signs_in(&site, &idp, "ada").await.code();
        // Nor by that of another authority.
        let (_, other) = Idp::start_with_tls();
        let other = Reach::default().trusting(other.as_bytes())?;
        for reach in [Reach::default(), other] {
            let site = Site::reaching(opened.store.clone(), reach);
            site.edit_connections(|all| all.push(idp.connection("corp")));
            let ask = site.ask(WEB).with("connection", "corp");
            let reply = site.browser().get(&ask.target()).await;
            reply.failed(502, "connection-failed");
            assert!(reply.body.contains("provider-unreachable"), "{reply:?}");
        }
        for pem in ["", "no certificate"] {
            assert!(Reach::default().trusting(pem.as_bytes()).is_err(), "{pem}");
        }
        Ok(())
    })
    .await
}

/// The browser goes nowhere that a wrong document says.
#[tokio::test]
async fn a_document_that_is_not_the_providers_leads_nowhere() -> Result<()> {
    let name = "providers::a_document_that_is_not_the_providers_leads_nowhere";
    on_both(name, async |opened| {
        let (site, idp) = with_provider(opened).await;
        let ask = site.ask(WEB).with("connection", "corp");
        let own = idp.issuer.clone();
        let mut now = NOW;
        let mut refused = async |fault: &str, change: Box<dyn FnOnce(&mut Script)>| {
            idp.edit(change);
            // What is known already is used for an hour.
            now = now + 3600;
            site.clock.set(now);
            let reply = site.browser().get(&ask.target()).await;
            reply.failed(502, "connection-failed");
            assert!(reply.body.contains(fault), "{fault}: {reply:?}");
            // A provider that failed is not asked again at once.
            let asked = idp.asked(DISCOVERY);
            let reply = site.browser().get(&ask.target()).await;
            reply.failed(502, "connection-failed");
            assert_eq!(idp.asked(DISCOVERY), asked);
            idp.edit(|script| {
                script.metadata.clear();
                script.manners.clear();
            });
            now = now + 5;
            site.clock.set(now);
            let reply = site.browser().get(&ask.target()).await;
            assert!(reply.location().starts_with(&own), "{reply:?}");
        };
        for (fault, member, value) in [
            ("provider-issuer", "issuer", json!("https://evil.test")),
            ("provider-metadata", "issuer", Value::Null),
            ("provider-metadata", "token_endpoint", Value::Null),
            (
                "provider-address",
                "token_endpoint",
                json!("http://169.254.169.254/latest"),
            ),
            ("provider-address", "jwks_uri", json!("file:///etc/passwd")),
            (
                "provider-algorithms",
                "id_token_signing_alg_values_supported",
                json!(["HS256"]),
            ),
        ] {
            let change = move |script: &mut Script| drop(script.metadata.insert(member, value));
            refused(fault, Box::new(change)).await;
        }
        for (path, fault, manner) in [
            (DISCOVERY, "provider-too-large", Manner::Huge),
            (DISCOVERY, "provider-redirects", Manner::Redirecting),
            (DISCOVERY, "provider-metadata", Manner::Garbage),
            (DISCOVERY, "provider-status", Manner::Broken),
            ("/jwks", "provider-keys", Manner::Garbage),
            ("/jwks", "provider-too-large", Manner::Huge),
        ] {
            let change = move |script: &mut Script| {
                script.manners.insert(path, manner);
            };
            refused(fault, Box::new(change)).await;
        }
        // It is the provider's document, but nobody could redeem a code there.
        let member = "token_endpoint_auth_methods_supported";
        idp.edit(|script| drop(script.metadata.insert(member, json!(["private_key_jwt"]))));
        site.clock.set(NOW + 80_000);
        let reply = site.browser().get(&ask.target()).await;
        assert!(reply.body.contains("provider-client-auth"), "{reply:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn keys_are_read_again_for_one_that_is_unknown_and_not_too_often() -> Result<()> {
    let name = "providers::keys_are_read_again_for_one_that_is_unknown_and_not_too_often";
    on_both(name, async |opened| {
        let (site, idp) = with_provider(opened).await;
        let later = |seconds: Seconds| site.clock.set(NOW + seconds);
        signs_in(&site, &idp, "ada").await.code();
        assert_eq!((idp.asked(DISCOVERY), idp.asked("/jwks")), (1, 1));
        // A new key is published and used at once.
        idp.edit(|script| {
            script.publishes_all = true;
            script.signed = Signed::ByUnknown;
        });
        signs_in(&site, &idp, "ada")
            .await
            .failed(502, "connection-failed");
        assert_eq!(idp.asked("/jwks"), 1, "they were read just now");
        later(30);
        signs_in(&site, &idp, "ada").await.code();
        assert_eq!((idp.asked(DISCOVERY), idp.asked("/jwks")), (1, 2));
        idp.edit(|script| script.signed = Signed::Well);
        later(200);
        signs_in(&site, &idp, "ada").await.code();
        assert_eq!((idp.asked(DISCOVERY), idp.asked("/jwks")), (1, 2));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn attack_43_a_state_is_of_one_browser_one_host_once_and_for_a_while() -> Result<()> {
    let name = "providers::attack_43_a_state_is_of_one_browser_one_host_once_and_for_a_while";
    on_both(name, async |opened| {
        let (site, idp) = with_provider(opened).await;
        let ask = site.ask(WEB).with("connection", "corp");
        let (mut eve, mut ada) = (site.browser(), site.browser());
        // Eve has Ada signed in as herself (login CSRF).
        let reply = eve.get(&ask.target()).await;
        let eves = idp.sign_in(reply.location(), "eve");
        ada.get(&eves).await.failed(400, "cookies-missing");
        ada.get(&ask.target()).await;
        ada.get(&eves).await.failed(400, "page-expired");
        let mut elsewhere = site.browser().at("login.acme.test");
        elsewhere.get(&ask.target()).await;
        elsewhere.get(&eves).await.failed(400, "page-expired");
        assert_eq!(ada.cookie(SESSION), "");
        eve.get(&eves).await.code();
        // Once.
        let again = idp.asked("/token");
        eve.get(&eves).await.failed(400, "page-expired");
        assert_eq!(idp.asked("/token"), again);
        // For a quarter of an hour.
        for (after, good) in [(899, true), (900, false)] {
            site.clock.set(NOW);
            let reply = eve
                .get(&ask.clone().with("prompt", "select_account").target())
                .await;
            let back = idp.sign_in(reply.location(), "eve");
            site.clock.set(NOW + after);
            idp.edit(|script| drop(script.claims.insert("exp", at(NOW + 2000))));
            let reply = eve.get(&back).await;
            if good {
                reply.code();
            } else {
                reply.failed(400, "page-expired");
            }
        }
        // Nor is a form's a provider's.
        site.clock.set(NOW);
        let page = ada.get(&site.ask(WEB).target()).await.good();
        let form = page.form();
        let (_, sealed) = &form.hidden[0];
        ada.get(&format!("/login/callback/corp?code=x&state={sealed}"))
            .await
            .failed(400, "page-expired");
        ada.get("/login/callback/corp?code=x")
            .await
            .failed(400, "page-expired");
        Ok(())
    })
    .await
}

/// RFC 9207 and RFC 9700 section 4.4: a code goes to the provider that gave it, or nowhere.
#[tokio::test]
async fn attack_43_an_answer_of_one_provider_is_not_anothers() -> Result<()> {
    let name = "providers::attack_43_an_answer_of_one_provider_is_not_anothers";
    on_both(name, async |opened| {
        let (site, corp) = with_provider(opened).await;
        let evil = Idp::start().await;
        site.edit_connections(|all| all.push(evil.connection("evil")));
        let mut browser = site.browser();
        // The browser is sent to the evil one, which sends it on to the other, with what it was sent itself.
        let ask = site.ask(WEB).with("connection", "evil");
        let asked = browser.get(&ask.target()).await;
        let asked = asked.location().replace(&evil.issuer, &corp.issuer);
        let honest = asked.replace("callback%2Fevil", "callback%2Fcorp");
        let reply = browser.get(&corp.sign_in(&honest, "ada")).await;
        reply.failed(502, "connection-failed");
        assert!(reply.body.contains("provider-mixed-up"), "{reply:?}");
        assert_eq!((corp.asked("/token"), evil.asked("/token")), (0, 0));
        // The same where the provider names itself.
        let asked = browser.get(&ask.target()).await;
        let asked = asked.location().replace(&evil.issuer, &corp.issuer);
        corp.edit(|script| script.iss = Some(corp.issuer.clone()));
        let reply = browser.get(&corp.sign_in(&asked, "ada")).await;
        assert!(reply.body.contains("provider-mixed-up"), "{reply:?}");
        assert_eq!((corp.asked("/token"), evil.asked("/token")), (0, 0));
        // One that says that it always names itself has to.
        let promised = "authorization_response_iss_parameter_supported";
        corp.edit(|script| drop(script.metadata.insert(promised, true.into())));
        signs_in(&site, &corp, "ada").await.code();
        corp.edit(|script| script.iss = None);
        let reply = signs_in(&site, &corp, "ada").await;
        assert!(reply.body.contains("provider-mixed-up"), "{reply:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn who_turns_back_at_the_provider_may_choose_another_way() -> Result<()> {
    let name = "providers::who_turns_back_at_the_provider_may_choose_another_way";
    on_both(name, async |opened| {
        let (site, idp) = with_provider(opened).await;
        let mut browser = site.browser();
        let page = browser.get(&site.ask(WEB).target()).await.good();
        let there = browser.get_once(&page.link("Continue with The corp")).await;
        let back = idp.refuse(there.location(), "access_denied");
        let page = browser.get(&back).await;
        assert_eq!(page.status, 400);
        assert!(
            page.body
                .contains("Signing in with <bdi>The corp</bdi> did not work.")
        );
        assert!(!page.body.contains("555"), "{page:?}");
        browser.sign_in(&page, "ada", "correct horse").await.code();
        // Where there is no other, the application is told.
        let named = site.ask(WEB).with("connection", "corp");
        let mut browser = site.browser();
        for (error, told) in [
            (
                "access_denied",
                "The corp did not sign the user in: access_denied",
            ),
            (
                "call 555-1234",
                "The corp did not sign the user in: unknown_error",
            ),
        ] {
            let there = browser.get(&named.target()).await;
            let reply = browser.get(&idp.refuse(there.location(), error)).await;
            reply.misused("access_denied", told);
            assert!(!reply.location().contains("555"), "{reply:?}");
        }
        // An answer that is neither.
        let there = browser.get(&named.target()).await;
        let state = &idp.request(there.location())["state"];
        let reply = browser
            .get(&format!("/login/callback/corp?state={state}"))
            .await;
        reply.failed(400, "request-wrong");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_is_too_long_for_an_address_is_told_to_the_application() -> Result<()> {
    let name = "providers::what_is_too_long_for_an_address_is_told_to_the_application";
    on_both(name, async |opened| {
        let (site, _idp) = with_provider(opened).await;
        let ask = site.ask(WEB).with("connection", "corp");
        let mut browser = site.browser();
        let long = ask.clone().with("state", &"s".repeat(1500));
        assert_eq!(browser.get(&long.target()).await.status, 302);
        let huge = long
            .with("state", &"s".repeat(2048))
            .with("nonce", &"n".repeat(600));
        let huge = huge.with("login_hint", &"h".repeat(600));
        let reply = browser.get(&huge.target()).await;
        reply.misused("invalid_request", "the request is too long");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_address_whose_answers_sign_nobody_in_waits_and_no_other_does() -> Result<()> {
    let name = "providers::an_address_whose_answers_sign_nobody_in_waits_and_no_other_does";
    on_both(name, async |opened| {
        let (site, idp) = with_provider(opened).await;
        let from = |peer: &str| {
            let mut browser = site.browser();
            browser.peer = Some(peer.parse().unwrap());
            browser
        };
        let ask = site.ask(WEB).with("connection", "corp");
        idp.edit(|script| {
            script.manners.insert("/token", Manner::Refusing);
        });
        for _ in 0..60 {
            let mut eve = from("192.0.2.1");
            let reply = eve.get(&ask.target()).await;
            let reply = eve.get(&idp.sign_in(reply.location(), "ada")).await;
            reply.failed(502, "connection-failed");
        }
        idp.edit(|script| script.manners.clear());
        site.clock.set(NOW + 20);
        let mut eve = from("192.0.2.1");
        let reply = eve.get(&ask.target()).await;
        let back = idp.sign_in(reply.location(), "ada");
        let reply = eve.get(&back).await;
        reply.failed(429, "too-many");
        assert_eq!(reply.header("retry-after"), "40");
        let mut other = from("192.0.2.2");
        let reply = other.get(&ask.target()).await;
        let reply = other.get(&idp.sign_in(reply.location(), "bob")).await;
        reply.code();
        // The answer was not used up.
        site.clock.set(NOW + 60);
        eve.get(&back).await.code();
        let shown = exposed(&site);
        let line = "mintage_endpoint_sign_ins_total{outcome=\"throttled\"} 1\n";
        assert!(shown.contains(line), "{shown}");
        Ok(())
    })
    .await
}
