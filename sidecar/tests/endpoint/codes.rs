//! Attacks 21 to 23: codes that come twice, from others, or without what they were asked with.

use anyhow::Result;

use crate::ask::{CHALLENGE, VERIFIER};
use crate::cluster::ORDERS;
use crate::cluster::endpoint::{GLOBEX_WEB, NATIVE, OTHER, SPA, WEB};
use crate::site::{HOST, Site};
use crate::stores::on_both;

const OFFLINE: &str = "openid offline_access read";

#[tokio::test]
async fn attack_21_a_code_that_comes_twice_ends_the_refresh_tokens_that_came_of_it() -> Result<()> {
    let name = "codes::attack_21_a_code_that_comes_twice_ends_the_refresh_tokens_that_came_of_it";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        for at in [WEB, SPA] {
            let client = site.client(at);
            let ask = site.ask(at).with("audience", ORDERS).with("scope", OFFLINE);
            let code = site.browser().authorize(&ask, "ada").await.code();
            let tokens = site.redeem(&client, &ask, &code).await.good();
            let first = tokens.text("refresh_token");
            let second = site.refresh(&client, &first).await.good();
            let again = site.redeem(&client, &ask, &code).await;
            again.refused(403, "invalid_grant", "Invalid authorization code");
            let reply = site.refresh(&client, &second.text("refresh_token")).await;
            reply.refused(403, "invalid_grant", "Unknown or invalid refresh token.");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn attack_22_a_code_is_good_for_its_own_application_and_tenant() -> Result<()> {
    let name = "codes::attack_22_a_code_is_good_for_its_own_application_and_tenant";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let ask = site.ask(WEB);
        let code = site.browser().authorize(&ask, "ada").await.code();
        for at in [OTHER, SPA] {
            let reply = site.redeem(&site.client(at), &ask, &code).await;
            reply.refused(403, "invalid_grant", "Invalid authorization code");
        }
        let form = |client: &crate::site::Client| {
            let own = ask.redemption(&code);
            let all = client.shown().into_iter().chain(own);
            let all = all.map(|(name, value)| (name.to_owned(), value.to_owned()));
            all.collect::<Vec<_>>()
        };
        let of_globex = form(&site.client(GLOBEX_WEB));
        let of_globex: Vec<_> = of_globex
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        let reply = site.post("globex.test", "/oauth/token", &of_globex).await;
        reply.refused(403, "invalid_grant", "Invalid authorization code");
        // Trying it used nothing up: its own application has it still.
        site.redeem(&site.client(WEB), &ask, &code).await.good();
        Ok(())
    })
    .await
}

/// Mix-up: a code of one issuer is no code at another, and the answer says whose it is.
#[tokio::test]
async fn attack_24_a_code_is_good_at_the_issuer_that_gave_it() -> Result<()> {
    let name = "codes::attack_24_a_code_is_good_at_the_issuer_that_gave_it";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let (web, ask) = (site.client(WEB), site.ask(WEB));
        for (asked, redeemed, status) in [
            (HOST, HOST, 200),
            ("login.acme.test", "login.acme.test", 200),
            ("login.acme.test", HOST, 403),
            (HOST, "login.acme.test", 403),
        ] {
            let reply = site.browser().at(asked).authorize(&ask, "ada").await;
            assert_eq!(reply.said("iss"), format!("https://{asked}/"));
            let code = reply.code();
            let form = [web.shown(), ask.redemption(&code)].concat();
            let reply = site.post(redeemed, "/oauth/token", &form).await;
            assert_eq!(reply.status, status, "{asked} {redeemed}: {reply:?}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn attack_23_a_code_without_its_verifier_is_nothing() -> Result<()> {
    let name = "codes::attack_23_a_code_without_its_verifier_is_nothing";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        for at in [WEB, SPA, NATIVE] {
            let (client, ask) = (site.client(at), site.ask(at));
            let mut browser = site.browser();
            let code = browser.authorize(&ask, "ada").await.code();
            site.redeem(&client, &ask, &code).await.good();
            let too_long = VERIFIER.repeat(3);
            for verifier in ["", CHALLENGE, "short", &VERIFIER[1..], &too_long] {
                let code = browser.authorize(&ask, "ada").await.code();
                let mut form = [client.shown(), ask.redemption(&code)].concat();
                form.retain(|(name, _)| *name != "code_verifier");
                form.push(("code_verifier", verifier));
                let reply = site.token(&form).await;
                reply.refused(403, "invalid_grant", "Failed to verify code verifier");
                // It was used up by that: nobody guesses on.
                let reply = site.redeem(&client, &ask, &code).await;
                reply.refused(403, "invalid_grant", "Invalid authorization code");
            }
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn attack_23_pkce_is_neither_left_out_nor_made_plain() -> Result<()> {
    let name = "codes::attack_23_pkce_is_neither_left_out_nor_made_plain";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let mut browser = site.browser();
        for at in [SPA, NATIVE, WEB] {
            let ask = site.ask(at);
            browser.authorize(&ask, "ada").await.code();
            let plain = ask.clone().with("code_challenge", VERIFIER);
            for changed in [
                plain.clone().with("code_challenge_method", "plain"),
                plain.without("code_challenge_method"),
                ask.clone().without("code_challenge_method"),
                ask.clone().without("code_challenge"),
            ] {
                let reply = browser.get(&changed.target()).await;
                reply.misused("invalid_request", "code_challenge_method");
                assert_eq!(reply.said("state"), "a-state");
            }
        }
        // Who has a secret may do without. A verifier then shows that somebody took the challenge out of the request.
        let none = site
            .ask(WEB)
            .without("code_challenge")
            .without("code_challenge_method");
        let web = site.client(WEB);
        let code = browser.authorize(&none, "ada").await.code();
        site.redeem(&web, &none, &code).await.good();
        let code = browser.authorize(&none, "ada").await.code();
        let reply = site.redeem(&web, &site.ask(WEB), &code).await;
        reply.refused(403, "invalid_grant", "Failed to verify code verifier");
        let spa = site
            .ask(SPA)
            .without("code_challenge")
            .without("code_challenge_method");
        let reply = browser.get(&spa.target()).await;
        reply.misused("invalid_request", "Parameter 'code_challenge' is required");
        Ok(())
    })
    .await
}
