//! Attack 26: what was granted ends with the user, the application, the API, or by hand.

use anyhow::Result;
use mintage_core::world::GrantType;
use serde_json::json;

use crate::cluster::endpoint::{ASSIGNED, SPA, WEB};
use crate::cluster::{Forge, NOW, ORDERS, name};
use crate::site::{HOST, Site};
use crate::stores::on_both;

const INVALID: &str = "Unknown or invalid refresh token.";

const UNREAD: &str = "the Secret with the user cannot be read (user-unread";

#[tokio::test]
async fn attack_26_nothing_is_given_for_a_user_who_was_blocked() -> Result<()> {
    let name = "withdrawals::attack_26_nothing_is_given_for_a_user_who_was_blocked";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let (web, ask) = (site.client(WEB), site.ask(WEB));
        let mut browser = site.browser();
        let code = browser.authorize(&ask, "ada").await.code();
        let refresh = site.refresh_token(WEB, ORDERS).await;
        let token = site.tokens(WEB, "", "openid").await.text("access_token");
        let bobs = site.browser().authorize(&ask, "bob").await.code();
        site.edit(|_, accounts| accounts.get_mut("ada").unwrap()["blocked"] = json!(true));

        let reply = site.redeem(&web, &ask, &code).await;
        reply.refused(403, "invalid_grant", "The user is blocked or gone");
        let reply = site.refresh(&web, &refresh).await;
        reply.refused(403, "invalid_grant", "The user is blocked or gone");
        site.userinfo(HOST, &token)
            .await
            .refused(401, "invalid_token", "");
        let silent = ask.clone().with("prompt", "none");
        browser
            .get(&silent.target())
            .await
            .misused("login_required", "");
        let page = browser.get(&ask.target()).await;
        let reply = browser.sign_in(&page, "ada", "correct horse").await;
        reply.misused("access_denied", "user is blocked");
        site.redeem(&web, &ask, &bobs).await.good();

        // The family ended: unblocking revives no token.
        site.edit(|_, accounts| accounts.get_mut("ada").unwrap()["blocked"] = json!(false));
        site.refresh(&web, &refresh)
            .await
            .refused(403, "invalid_grant", INVALID);
        // Who is gone altogether is as who is blocked.
        let refresh = site.refresh_token(WEB, ORDERS).await;
        site.edit(|_, accounts| drop(accounts.remove("ada")));
        site.refresh(&web, &refresh)
            .await
            .refused(403, "invalid_grant", "The user is");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn attack_26_nothing_is_given_to_an_application_that_may_not_any_more() -> Result<()> {
    let name_ = "withdrawals::attack_26_nothing_is_given_to_an_application_that_may_not_any_more";
    on_both(name_, async |opened| {
        let site = Site::on(opened);
        let web = site.client(WEB);
        let token = site.refresh_token(WEB, ORDERS).await;
        let opaque = site.tokens(WEB, "", "openid").await.text("access_token");
        site.userinfo(HOST, &opaque).await.good();
        site.edit_application(WEB, |web| {
            web.grant_types.remove(&GrantType::RefreshToken);
        });
        let reply = site.refresh(&web, &token).await;
        reply.refused(
            403,
            "unauthorized_client",
            "Grant type 'refresh_token' not allowed",
        );
        site.edit_application(WEB, |web| {
            web.grant_types.insert(GrantType::RefreshToken);
        });
        let token = site
            .refresh(&web, &token)
            .await
            .good()
            .text("refresh_token");
        // One that takes its place is another client, and what the first one has is good for nothing.
        site.edit_application(WEB, |web| web.uid = name("uid-of-the-next-life"));
        let reply = site.refresh(&web, &token).await;
        reply.refused(401, "access_denied", "Unauthorized");
        let reply = site.refresh(&site.client(WEB), &token).await;
        reply.refused(403, "invalid_grant", INVALID);
        site.userinfo(HOST, &opaque)
            .await
            .refused(401, "invalid_token", "");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn attack_26_a_refresh_token_ends_when_its_api_allows_none_any_more() -> Result<()> {
    let name = "withdrawals::attack_26_a_refresh_token_ends_when_its_api_allows_none_any_more";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let web = site.client(WEB);
        let token = site.refresh_token(WEB, ORDERS).await;
        site.edit_api(ORDERS, |api| api.users.offline_access = false);
        site.refresh(&web, &token)
            .await
            .refused(403, "invalid_grant", INVALID);
        let tokens = site.tokens(WEB, ORDERS, "offline_access read").await;
        assert_eq!(tokens.text("scope"), "read");
        assert_eq!(tokens.json().get("refresh_token"), None);
        site.edit_api(ORDERS, |api| api.users.offline_access = true);
        site.refresh(&web, &token)
            .await
            .refused(403, "invalid_grant", INVALID);
        Ok(())
    })
    .await
}

/// F5, F15: what is not known for a moment takes nothing away, and a request that is refused for it uses nothing up.
#[tokio::test]
async fn what_cannot_be_known_now_ends_no_refresh_token() -> Result<()> {
    let name = "withdrawals::what_cannot_be_known_now_ends_no_refresh_token";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let web = site.client(WEB);
        let token = site.refresh_token(WEB, ORDERS).await;
        let opaque = site.tokens(WEB, "", "openid").await.text("access_token");

        // Somebody writes an entry that is no user: Ada's own, or only another one.
        let kept = std::cell::RefCell::new(json!(null));
        site.edit_damaged(|accounts| *kept.borrow_mut() = accounts.get_mut("ada").unwrap().take());
        let reply = site.refresh(&web, &token).await;
        reply.refused(503, "temporarily_unavailable", UNREAD);
        site.userinfo(HOST, &opaque)
            .await
            .refused(503, "temporarily_unavailable", UNREAD);
        site.edit_damaged(|accounts| {
            accounts.insert("ada".to_owned(), kept.borrow_mut().take());
            accounts.insert("eve".to_owned(), json!({ "password_hash": 7 }));
        });
        let reply = site.refresh(&web, &token).await.good();
        let token = reply.text("refresh_token");
        site.userinfo(HOST, &opaque).await.good();

        // The Secret is not there.
        site.edit(|_, accounts| drop(accounts.remove("eve")));
        let accounts = std::cell::RefCell::new(crate::accounts::Accounts::new());
        site.edit_damaged(|all| std::mem::swap(all, &mut accounts.borrow_mut()));
        let reply = site.refresh(&web, &token).await;
        reply.refused(503, "temporarily_unavailable", UNREAD);
        site.edit(|_, all| std::mem::swap(all, &mut accounts.borrow_mut()));
        let reply = site.refresh(&web, &token).await.good();
        let token = reply.text("refresh_token");

        // The API is not there, or not served.
        let removed = std::cell::RefCell::new(None);
        site.edit(|world, _| {
            let at = world.audiences.iter();
            let at = at.clone().position(|api| api.identifier.as_str() == ORDERS);
            *removed.borrow_mut() = Some(world.audiences.remove(at.unwrap()));
        });
        let reply = site.refresh(&web, &token).await;
        reply.refused(403, "access_denied", "Service not found");
        site.edit(|world, _| world.audiences.extend(removed.borrow_mut().take()));
        site.refresh(&web, &token).await.good();
        Ok(())
    })
    .await
}

/// The password is changed, or somebody else gets the name: whoever was there before signs in again.
#[tokio::test]
async fn attack_26_what_was_given_before_the_password_changed_is_good_no_more() -> Result<()> {
    let name = "withdrawals::attack_26_what_was_given_before_the_password_changed_is_good_no_more";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let (web, ask) = (site.client(WEB), site.ask(WEB));
        let silent = ask.clone().with("prompt", "none");
        let mut browser = site.browser();
        browser.authorize(&ask, "ada").await.code();
        let token = site.refresh_token(WEB, ORDERS).await;
        let opaque = site.tokens(WEB, "", "openid").await.text("access_token");
        site.advance_to(NOW + 10);
        let code = browser.get(&silent.target()).await.code();
        let bobs = site.browser().authorize(&ask, "bob").await.code();
        site.advance_to(NOW + 20);
        site.edit(|_, accounts| {
            accounts.get_mut("ada").unwrap()["signed_out_before"] = json!((NOW + 20).0);
        });

        let gone = "The user is blocked or gone";
        let reply = site.redeem(&web, &ask, &code).await;
        reply.refused(403, "invalid_grant", gone);
        let reply = site.refresh(&web, &token).await;
        reply.refused(403, "invalid_grant", gone);
        site.userinfo(HOST, &opaque)
            .await
            .refused(401, "invalid_token", "");
        let reply = browser.get(&silent.target()).await;
        reply.misused("login_required", "");
        site.redeem(&web, &ask, &bobs).await.good();

        // From then on all is as before.
        let code = site.browser().authorize(&ask, "ada").await.code();
        site.redeem(&web, &ask, &code).await.good();
        let token = site.refresh_token(WEB, ORDERS).await;
        site.advance_to(NOW + 30);
        site.refresh(&web, &token).await.good();
        Ok(())
    })
    .await
}

/// What was allowed for one API is not allowed for another that became the tenant's default meanwhile.
#[tokio::test]
async fn attack_26_what_was_granted_for_one_audience_is_not_given_for_another() -> Result<()> {
    let name_ = "withdrawals::attack_26_what_was_granted_for_one_audience_is_not_given_for_another";
    on_both(name_, async |opened| {
        let site = Site::on(opened);
        let spa = site.client(SPA);
        let token = site.refresh_token(SPA, "").await;
        let ask = site.ask(SPA).with("scope", "openid read");
        let code = site.browser().authorize(&ask, "ada").await.code();
        site.edit(|world, _| world.tenants[0].default_audience = Some(name("orders/orders")));
        for reply in [
            site.refresh(&spa, &token).await.good(),
            site.redeem(&spa, &ask, &code).await.good(),
        ] {
            let token = reply.text("access_token");
            assert_eq!(
                token.split('.').count(),
                5,
                "a token for the profile: {token}"
            );
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn attack_26_a_scope_that_was_taken_from_a_user_is_in_no_token_any_more() -> Result<()> {
    let name = "withdrawals::attack_26_a_scope_that_was_taken_from_a_user_is_in_no_token_any_more";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let web = site.client(WEB);
        let scope = "openid offline_access read write";
        let tokens = site.tokens(WEB, ASSIGNED, scope).await;
        assert_eq!(
            tokens.text("scope"),
            "openid offline_access read",
            "write was not assigned"
        );
        let claims = Forge::of(&tokens.text("access_token")).claims;
        assert_eq!(claims["permissions"], json!(["read"]));
        let edit = |scopes: serde_json::Value| {
            site.edit(|_, accounts| {
                accounts.get_mut("ada").unwrap()["permissions"][ASSIGNED] = scopes;
            });
        };
        edit(json!(["write"]));
        let next = site
            .refresh(&web, &tokens.text("refresh_token"))
            .await
            .good();
        assert_eq!(
            next.text("scope"),
            "openid offline_access",
            "nor was write granted"
        );
        let claims = Forge::of(&next.text("access_token")).claims;
        assert_eq!(claims["permissions"], json!(["write"]));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn attack_26_a_revoked_refresh_token_is_dead_with_its_family() -> Result<()> {
    let name = "withdrawals::attack_26_a_revoked_refresh_token_is_dead_with_its_family";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        for at in [WEB, SPA] {
            let client = site.client(at);
            let first = site.refresh_token(at, ORDERS).await;
            let second = site
                .refresh(&client, &first)
                .await
                .good()
                .text("refresh_token");
            let other = site.refresh_token(at, ORDERS).await;
            let form = [client.shown(), vec![("token", &second)]].concat();
            let reply = site.post(HOST, "/oauth/revoke", &form).await.good();
            assert_eq!(reply.body, "");
            for token in [&second, &first] {
                site.refresh(&client, token)
                    .await
                    .refused(403, "invalid_grant", INVALID);
            }
            site.refresh(&client, &other).await.good();
        }
        Ok(())
    })
    .await
}
