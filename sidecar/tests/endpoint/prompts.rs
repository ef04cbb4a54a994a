//! `prompt`, `max_age`, `id_token_hint`, `login_hint`, `ui_locales`, `connection`.

use anyhow::Result;
use mintage_core::world::Connection;

use crate::cluster::endpoint::{GLOBEX_WEB, OTHER, WEB};
use crate::cluster::{NOW, ORDERS, name as name_of};
use crate::site::Site;
use crate::stores::on_both;

#[tokio::test]
async fn prompt_and_max_age_say_when_to_sign_in_again() -> Result<()> {
    on_both(
        "prompts::prompt_and_max_age_say_when_to_sign_in_again",
        async |opened| {
            let site = Site::on(opened);
            let (web, ask) = (site.client(WEB), site.ask(WEB));
            let mut browser = site.browser();
            browser.authorize(&ask, "ada").await.code();
            site.clock.set(NOW + 100);
            for good in [
                ask.clone(),
                ask.clone().with("prompt", "none"),
                ask.clone().with("max_age", "100"),
            ] {
                browser.get(&good.target()).await.code();
            }
            let silent = ask.clone().with("prompt", "none").with("max_age", "99");
            browser
                .get(&silent.target())
                .await
                .misused("login_required", "Login required");
            for (number, (name, value)) in [
                ("prompt", "login"),
                ("prompt", "select_account"),
                ("max_age", "99"),
                ("max_age", "0"),
            ]
            .into_iter()
            .enumerate()
            {
                let now = NOW + 100 + 100 * i64::try_from(number)?;
                site.clock.set(now);
                let ask = ask.clone().with(name, value);
                let page = browser.get(&ask.target()).await.good();
                let reply = browser.sign_in(&page, "ada", "correct horse").await;
                let tokens = site.redeem(&web, &ask, &reply.code()).await.good();
                let id = crate::cluster::Forge::of(&tokens.text("id_token")).claims;
                assert_eq!(id["auth_time"], now.0, "{name}={value}");
            }
            Ok(())
        },
    )
    .await
}

/// Somebody else may sign in where the application asks for it: the code is theirs then.
#[tokio::test]
async fn who_signs_in_last_is_who_the_code_is_for() -> Result<()> {
    on_both(
        "prompts::who_signs_in_last_is_who_the_code_is_for",
        async |opened| {
            let site = Site::on(opened);
            let ask = site.ask(WEB).with("prompt", "select_account");
            let mut browser = site.browser();
            for user in ["ada", "bob"] {
                let code = browser.authorize(&ask, user).await.code();
                let tokens = site.redeem(&site.client(WEB), &ask, &code).await.good();
                let id = crate::cluster::Forge::of(&tokens.text("id_token")).claims;
                assert_eq!(id["sub"], format!("staff|{user}"));
            }
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn the_page_knows_the_name_and_the_language() -> Result<()> {
    on_both(
        "prompts::the_page_knows_the_name_and_the_language",
        async |opened| {
            let site = Site::on(opened);
            let ask = site.ask(WEB);
            let mut browser = site.browser();
            let page = browser
                .get(&ask.clone().with("login_hint", "ada@acme.test").target())
                .await;
            assert!(page.good().body.contains("value=\"ada@acme.test\""));
            let german = browser
                .get(&ask.clone().with("ui_locales", "fr de-AT en").target())
                .await;
            assert_eq!(german.header("content-language"), "de");
            assert!(german.body.contains("<html lang=\"de\">"), "{german:?}");
            // After a mistake it is the same page.
            let again = browser.sign_in(&german, "ada", "wrong").await;
            assert_eq!(
                (again.status, again.header("content-language")),
                (400, "de")
            );
            assert!(again.body.contains("value=\"ada\""));
            browser.headers = vec![("accept-language", "de".into())];
            let german = browser.get(&ask.target()).await;
            assert_eq!(german.header("content-language"), "de");
            let english = browser.get(&ask.with("ui_locales", "en").target()).await;
            assert_eq!(english.header("content-language"), "en");
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn a_connection_that_is_named_is_the_only_one_that_is_asked() -> Result<()> {
    on_both(
        "prompts::a_connection_that_is_named_is_the_only_one_that_is_asked",
        async |opened| {
            let site = Site::on(opened);
            let ask = site.ask(WEB).with("connection", "staff");
            site.browser().authorize(&ask, "ada").await.code();
            let ask = ask.with("connection", "guests");
            let reply = site.browser().get(&ask.target()).await;
            reply.misused("invalid_request", "the connection guests is none");
            Ok(())
        },
    )
    .await
}

/// An application that sends its users to one connection gets nobody of another.
#[tokio::test]
async fn who_signed_in_by_another_connection_signs_in_again() -> Result<()> {
    on_both(
        "prompts::who_signed_in_by_another_connection_signs_in_again",
        async |opened| {
            let site = Site::on(opened);
            let mut browser = site.browser();
            let ask = site.ask(WEB);
            browser.authorize(&ask, "ada").await.code();
            let staff = ask.clone().with("connection", "staff");
            browser.get(&staff.target()).await.code();
            let guests = ask.with("connection", "guests");
            let silent = guests.clone().with("prompt", "none");
            let reply = browser.get(&silent.target()).await;
            reply.misused("login_required", "Login required");
            let reply = browser.get(&guests.target()).await;
            reply.misused("invalid_request", "the connection guests is none");
            site.edit_connections(|all| {
                let guests = Connection {
                    name: name_of("guests"),
                    ..all[0].clone()
                };
                all.push(guests);
            });
            assert!(browser.get(&guests.target()).await.asks_to_sign_in());
            browser
                .get(&silent.target())
                .await
                .misused("login_required", "Login required");
            browser.get(&staff.target()).await.code();
            Ok(())
        },
    )
    .await
}

/// `prompt=login` asks again even where somebody has signed in within the same second.
#[tokio::test]
async fn prompt_login_is_not_met_by_who_signed_in_just_before() -> Result<()> {
    on_both(
        "prompts::prompt_login_is_not_met_by_who_signed_in_just_before",
        async |opened| {
            let site = Site::on(opened);
            let mut browser = site.browser();
            browser.authorize(&site.ask(WEB), "ada").await.code();
            let page = browser
                .get(&site.ask(WEB).with("prompt", "login").target())
                .await;
            assert!(page.asks_to_sign_in(), "{page:?}");
            browser.sign_in(&page, "ada", "correct horse").await.code();
            Ok(())
        },
    )
    .await
}

/// OpenID Connect Core sections 3.1.2.1 and 3.1.2.2.
#[tokio::test]
async fn a_code_is_for_the_user_of_the_hint_or_there_is_none() -> Result<()> {
    let name = "prompts::a_code_is_for_the_user_of_the_hint_or_there_is_none";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let (web, ask) = (site.client(WEB), site.ask(WEB));
        let mut browser = site.browser();
        let code = browser.authorize(&ask, "ada").await.code();
        let tokens = site.redeem(&web, &ask, &code).await.good();
        let hint = tokens.text("id_token");
        let hinted = ask.clone().with("id_token_hint", &hint);
        let silent = hinted.clone().with("prompt", "none");
        browser.get(&silent.target()).await.code();
        // Long after the token has ended; its user is still signed in.
        site.clock.set(NOW + 2 * 86_400);
        browser.get(&silent.target()).await.code();

        // Bob has the browser now.
        let anew = ask.clone().with("prompt", "login");
        browser.authorize(&anew, "bob").await.code();
        browser.get(&ask.target()).await.code();
        browser
            .get(&silent.target())
            .await
            .misused("login_required", "Login required");
        let page = browser.get(&hinted.target()).await.good();
        let reply = browser.sign_in(&page, "bob", "correct horse").await;
        reply.misused("login_required", "Another user signed in");
        let page = browser.get(&hinted.target()).await.good();
        let code = browser.sign_in(&page, "ada", "correct horse").await.code();
        let tokens = site.redeem(&web, &hinted, &code).await.good();
        let id = crate::cluster::Forge::of(&tokens.text("id_token")).claims;
        assert_eq!(id["sub"], "staff|ada");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_hint_that_says_nothing_is_misuse() -> Result<()> {
    let name = "prompts::a_hint_that_says_nothing_is_misuse";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let own = site.tokens(WEB, ORDERS, "openid").await;
        let (own, access) = (own.text("id_token"), own.text("access_token"));
        let of_another = site.tokens(OTHER, ORDERS, "openid").await;
        let of_another = of_another.text("id_token");
        let elsewhere = site.ask(GLOBEX_WEB);
        let mut there = site.browser().at("globex.test");
        let code = there.authorize(&elsewhere, "ada").await.code();
        let globex = site.client(GLOBEX_WEB);
        let form = [globex.shown(), elsewhere.redemption(&code)].concat();
        let foreign = site.post("globex.test", "/oauth/token", &form).await.good();
        let foreign = foreign.text("id_token");
        let cut = &own[..own.len() - 4];
        let mut browser = site.browser();
        browser.authorize(&site.ask(WEB), "ada").await.code();
        for hint in [&*access, &of_another, &foreign, cut, "x", "a.b.c"] {
            let ask = site.ask(WEB).with("id_token_hint", hint);
            browser
                .get(&ask.target())
                .await
                .misused("invalid_request", "id_token_hint is no ID token");
        }
        let ask = site.ask(WEB).with("id_token_hint", &own);
        browser.get(&ask.target()).await.code();
        Ok(())
    })
    .await
}
