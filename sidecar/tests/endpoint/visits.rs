//! Signing in by a provider: what is asked of it, and what the application gets.

use anyhow::Result;
use mintage_core::world::Source;
use serde_json::{Value, json};

use crate::accounts::Accounts;
use crate::audit::Log;
use crate::browser::SESSION;
use crate::cluster::endpoint::{SPA, WEB};
use crate::cluster::{Forge, NOW};
use crate::idp::{CLIENT, Idp, Manner, at};
use crate::reply::Reply;
use crate::site::{HOST, Site};
use crate::stores::{Opened, on_both};

/// The standard site with a provider beside the passwords.
pub async fn with_provider(opened: &Opened) -> (Site, Idp) {
    let (site, idp) = (Site::on(opened), Idp::start().await);
    site.edit_connections(|all| all.push(idp.connection("corp")));
    (site, idp)
}

#[tokio::test]
async fn a_user_of_a_provider_signs_in_and_gets_tokens() -> Result<()> {
    let name = "visits::a_user_of_a_provider_signs_in_and_gets_tokens";
    on_both(name, async |opened| {
        let (site, idp) = with_provider(opened).await;
        let scope = "openid profile email offline_access";
        let ask = site.ask(WEB).with("scope", scope);
        let mut browser = site.browser();
        let page = browser.get(&ask.target()).await.good();
        assert!(page.asks_to_sign_in());
        let reply = browser.get_once(&page.link("Continue with The corp")).await;
        let asked = idp.request(reply.location());
        for (name, value) in [
            ("response_type", "code"),
            ("client_id", CLIENT),
            ("redirect_uri", "https://acme.test/login/callback/corp"),
            ("scope", "openid profile email"),
            ("code_challenge_method", "S256"),
        ] {
            assert_eq!(asked[name], value, "{asked:?}");
        }
        for name in ["prompt", "max_age", "login_hint"] {
            assert!(!asked.contains_key(name), "{name}");
        }
        let reply = browser.get(&idp.sign_in(reply.location(), "ada|1")).await;
        assert_eq!(reply.said("state"), "a-state");
        let web = site.client(WEB);
        let tokens = site.redeem(&web, &ask, &reply.code()).await.good();
        let id = Forge::of(&tokens.text("id_token")).claims;
        assert_eq!(id["sub"], "corp|ada|1");
        assert_eq!(id["email"], "ada@corp.test");
        assert_eq!(id["email_verified"], true);
        assert_eq!(id["name"], "Ada of Corp");
        assert_eq!(id["auth_time"], NOW.0);
        let info = site
            .userinfo(HOST, &tokens.text("access_token"))
            .await
            .good();
        assert_eq!(info.json()["email"], "ada@corp.test");
        assert_eq!(info.json()["sub"], "corp|ada|1");
        // The profile outlives the process.
        let again = Site::over(opened.again().await?);
        again.edit_connections(|all| all.push(idp.connection("corp")));
        let tokens = again
            .refresh(&web, &tokens.text("refresh_token"))
            .await
            .good();
        let id = Forge::of(&tokens.text("id_token")).claims;
        assert_eq!(id["name"], "Ada of Corp");
        again
            .userinfo(HOST, &tokens.text("access_token"))
            .await
            .good();
        // And whoever is signed in need not go there again.
        let silent = ask.with("prompt", "none");
        browser.get(&silent.target()).await.code();
        assert_eq!(idp.asked("/token"), 1);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn where_there_is_nothing_to_choose_the_browser_goes_straight_there() -> Result<()> {
    let name = "visits::where_there_is_nothing_to_choose_the_browser_goes_straight_there";
    on_both(name, async |opened| {
        let (site, idp) = with_provider(opened).await;
        let ask = site.ask(SPA);
        let goes = async |site: &Site, ask: &crate::ask::Ask| -> bool {
            let reply = site.browser().get(&ask.target()).await;
            reply.status == 302 && reply.location().starts_with(&idp.issuer)
        };
        assert!(!goes(&site, &ask).await, "there are passwords, too");
        let named = ask.clone().with("connection", "corp");
        assert!(goes(&site, &named).await);
        let passwords = ask.clone().with("connection", "staff");
        let page = site.browser().get(&passwords.target()).await.good();
        assert!(page.asks_to_sign_in() && !page.body.contains("Continue with"));
        site.edit_connections(|all| drop(all.remove(0)));
        assert!(goes(&site, &ask).await);
        // Where nothing may be shown, nothing is.
        let silent = ask.clone().with("prompt", "none");
        let reply = site.browser().get(&silent.target()).await;
        reply.misused("login_required", "Login required");
        site.edit_connections(|all| all.push(idp.connection("other")));
        assert!(!goes(&site, &ask).await, "there are two");
        let page = site.browser().get(&ask.target()).await.good();
        assert!(!page.asks_to_sign_in());
        let policy = page.header("content-security-policy");
        assert!(policy.contains("form-action 'none'"), "{policy}");
        site.edit_connections(Vec::clear);
        let reply = site.browser().get(&ask.target()).await;
        reply.failed(400, "no-connection");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_secret_is_shown_as_the_provider_takes_it_or_not_at_all() -> Result<()> {
    let name = "visits::the_secret_is_shown_as_the_provider_takes_it_or_not_at_all";
    on_both(name, async |opened| {
        for ways in [
            json!(["client_secret_basic"]),
            json!(["client_secret_post"]),
            json!(["private_key_jwt", "client_secret_post"]),
        ] {
            let (site, idp) = with_provider(opened).await;
            let member = "token_endpoint_auth_methods_supported";
            idp.edit(|script| drop(script.metadata.insert(member, ways)));
            signs_in(&site, &idp, "ada").await.code();
        }
        let (site, idp) = with_provider(opened).await;
        idp.edit(|script| drop(script.metadata.insert("public", true.into())));
        site.edit_connections(|all| {
            let Source::Oidc { client_secret, .. } = &mut all[1].source else {
                panic!()
            };
            *client_secret = None;
        });
        signs_in(&site, &idp, "ada").await.code();
        Ok(())
    })
    .await
}

/// A provider may keep the profile for its `/userinfo`.
#[tokio::test]
async fn a_profile_that_is_not_in_the_id_token_is_asked_for() -> Result<()> {
    let name = "visits::a_profile_that_is_not_in_the_id_token_is_asked_for";
    on_both(name, async |opened| {
        let (site, idp) = with_provider(opened).await;
        signs_in(&site, &idp, "ada").await.code();
        assert_eq!(idp.asked("/userinfo"), 0, "the ID token says it");
        idp.edit(|script| {
            for claim in ["email", "email_verified", "name"] {
                script.claims.insert(claim, Value::Null);
            }
            script.userinfo =
                json!({ "sub": "ada", "name": "Ada by userinfo", "email": "a@b.test" });
        });
        let ask = site.ask(WEB).with("scope", "openid profile email");
        let name_of = async |reply: Reply| {
            let tokens = site
                .redeem(&site.client(WEB), &ask, &reply.code())
                .await
                .good();
            let info = site
                .userinfo(HOST, &tokens.text("access_token"))
                .await
                .good();
            info.json()["name"].clone()
        };
        let mut browser = site.browser();
        let named = ask.clone().with("connection", "corp");
        let there = browser.get(&named.target()).await;
        let reply = browser.get(&idp.sign_in(there.location(), "ada")).await;
        assert_eq!(name_of(reply).await, "Ada by userinfo");
        // Of somebody else it is no profile, and of nobody it is none.
        let reply = signs_in(&site, &idp, "eve").await;
        reply.failed(502, "connection-failed");
        assert!(reply.body.contains("provider-userinfo"), "{reply:?}");
        for manner in [Manner::Broken, Manner::Redirecting, Manner::Huge] {
            idp.edit(|script| {
                script.manners.insert("/userinfo", manner);
            });
            signs_in(&site, &idp, "eve").await.code();
        }
        Ok(())
    })
    .await
}

/// What an application wants of the sign-in is wanted of the provider, and held against what it says.
#[tokio::test]
async fn who_has_to_sign_in_anew_does_so_at_the_provider() -> Result<()> {
    let name = "visits::who_has_to_sign_in_anew_does_so_at_the_provider";
    on_both(name, async |opened| {
        let (site, idp) = with_provider(opened).await;
        let ask = site.ask(WEB).with("connection", "corp");
        let mut browser = site.browser();
        let reply = browser.get(&ask.target()).await;
        browser
            .get(&idp.sign_in(reply.location(), "ada"))
            .await
            .code();

        let login = ask.clone().with("prompt", "login");
        let young = ask.clone().with("max_age", "300");
        let hinted = ask.clone().with("prompt", "select_account");
        let hinted = hinted.with("login_hint", "ada@corp.test");
        for (ask, sent, at_provider, good) in [
            (&login, [("prompt", "login"), ("max_age", "0")], NOW, true),
            (
                &login,
                [("prompt", "login"), ("max_age", "0")],
                NOW - 61,
                false,
            ),
            (
                &young,
                [("max_age", "300"), ("scope", "openid profile email")],
                NOW - 299,
                true,
            ),
            (
                &young,
                [("max_age", "300"), ("scope", "openid profile email")],
                NOW - 361,
                false,
            ),
            (
                &hinted,
                [
                    ("prompt", "select_account"),
                    ("login_hint", "ada@corp.test"),
                ],
                NOW - 9999,
                true,
            ),
        ] {
            let mut other = site.browser();
            let reply = other.get(&ask.target()).await;
            let asked = idp.request(reply.location());
            for (name, value) in sent {
                assert_eq!(asked[name], value, "{asked:?}");
            }
            idp.edit(|script| drop(script.claims.insert("auth_time", at(at_provider))));
            let reply = other.get(&idp.sign_in(reply.location(), "ada")).await;
            if good {
                let tokens = site.redeem(&site.client(WEB), ask, &reply.code()).await;
                let id = Forge::of(&tokens.good().text("id_token")).claims;
                assert_eq!(id["auth_time"], at_provider.0);
            } else {
                reply.misused("access_denied", "The corp did not show");
                assert_eq!(other.cookie(SESSION), "");
            }
        }
        // One that does not say when is not believed to have asked.
        idp.edit(|script| script.claims.clear());
        let reply = browser.get(&login.target()).await;
        let reply = browser.get(&idp.sign_in(reply.location(), "ada")).await;
        reply.misused("access_denied", "The corp did not show");
        Ok(())
    })
    .await
}

/// Whoever keeps one cookie and not the other is told so, and not sent back and forth.
#[tokio::test]
async fn a_browser_that_keeps_no_session_goes_there_once() -> Result<()> {
    let name = "visits::a_browser_that_keeps_no_session_goes_there_once";
    on_both(name, async |opened| {
        let (site, idp) = with_provider(opened).await;
        let ask = site.ask(WEB).with("connection", "corp");
        let mut browser = site.browser();
        let there = browser.get(&ask.target()).await;
        let back = idp.sign_in(there.location(), "ada");
        let onwards = browser.get_once(&back).await;
        assert_ne!(browser.cookie(SESSION), "");
        browser.set_cookie(SESSION, "");
        let reply = browser.get(onwards.location()).await;
        reply.failed(400, "cookies-missing");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn each_domain_has_its_own_address_to_come_back_to() -> Result<()> {
    let name = "visits::each_domain_has_its_own_address_to_come_back_to";
    on_both(name, async |opened| {
        let (site, idp) = with_provider(opened).await;
        let ask = site.ask(WEB).with("connection", "corp");
        let mut browser = site.browser().at("login.acme.test");
        let reply = browser.get(&ask.target()).await;
        let asked = idp.request(reply.location());
        assert_eq!(
            asked["redirect_uri"],
            "https://login.acme.test/login/callback/corp"
        );
        let reply = browser.get(&idp.sign_in(reply.location(), "ada")).await;
        assert_eq!(reply.said("iss"), "https://login.acme.test/");
        Ok(())
    })
    .await
}

/// Goes there and comes back.
pub async fn signs_in(site: &Site, idp: &Idp, subject: &str) -> Reply {
    let ask = site.ask(WEB).with("connection", "corp");
    let mut browser = site.browser();
    let reply = browser.get(&ask.target()).await;
    browser.get(&idp.sign_in(reply.location(), subject)).await
}

/// Whoever set the connection up has to mend it, and neither the user nor the application; passwords go on.
#[tokio::test]
async fn a_connection_that_is_set_up_wrongly_is_named_on_the_page_and_in_the_log() -> Result<()> {
    let name = "visits::a_connection_that_is_set_up_wrongly_is_named_on_the_page_and_in_the_log";
    on_both(name, async |opened| {
        Log::listen();
        let (site, _idp) = with_provider(opened).await;
        let ask = site.ask(WEB);
        let named = ask.clone().with("connection", "corp");
        site.break_provider("corp");
        let page = site.browser().get(&ask.target()).await.good();
        assert!(page.asks_to_sign_in() && !page.body.contains("Continue with"));
        let reply = site.browser().get(&named.target()).await;
        reply.failed(503, "connection-unusable");
        for words in [
            "<bdi>The corp</bdi>, where you would sign in,",
            "not usable: corp;",
        ] {
            assert!(reply.body.contains(words), "{words}: {reply:?}");
        }
        let line = Log::lines().pop().unwrap_or_default();
        assert_eq!(line["event"], "page-refused");
        assert_eq!(line["rule"], "connection-unusable");
        assert!(line["detail"].starts_with("not usable: corp;"), "{line:?}");
        // Nor without any that works.
        site.edit_damaged(Accounts::clear);
        let reply = site.browser().get(&ask.target()).await;
        reply.failed(503, "connection-unusable");
        assert!(reply.body.contains("not usable: staff, corp;"), "{reply:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_address_of_no_connection_is_no_page() -> Result<()> {
    let name = "visits::an_address_of_no_connection_is_no_page";
    on_both(name, async |opened| {
        let (site, _idp) = with_provider(opened).await;
        for path in ["/login/callback/nobody", "/login/callback/staff"] {
            let reply = site.browser().get(&format!("{path}?code=x&state=y")).await;
            reply.failed(404, "not-found");
            let (_, called) = path.rsplit_once('/').unwrap();
            let detail = format!("the tenant has no connection {called} with a provider");
            assert!(reply.body.contains(&detail), "{reply:?}");
        }
        let reply = site
            .browser()
            .get("/login/callback/corp?code=x&state=y")
            .await;
        reply.failed(400, "cookies-missing");
        Ok(())
    })
    .await
}
