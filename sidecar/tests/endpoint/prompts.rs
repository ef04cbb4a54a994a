//! `prompt`, `max_age`, `login_hint`, `ui_locales`, `connection`.

use anyhow::Result;

use crate::cluster::NOW;
use crate::cluster::endpoint::WEB;
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
