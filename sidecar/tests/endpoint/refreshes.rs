//! Attacks 22, 25 and 26: refresh tokens in other hands, used again, or for more than was granted.

use anyhow::Result;

use crate::cluster::endpoint::{BRIEF, GLOBEX_WEB, OTHER, SPA, WEB};
use crate::cluster::{Forge, ORDERS};
use crate::site::Site;
use crate::stores::on_both;

const INVALID: &str = "Unknown or invalid refresh token.";

#[tokio::test]
async fn attack_22_a_refresh_token_is_good_for_its_own_application() -> Result<()> {
    let name = "refreshes::attack_22_a_refresh_token_is_good_for_its_own_application";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let token = site.refresh_token(WEB, ORDERS).await;
        for at in [OTHER, SPA] {
            let reply = site.refresh(&site.client(at), &token).await;
            reply.refused(403, "invalid_grant", INVALID);
        }
        let globex = site.client(GLOBEX_WEB);
        let form = [
            globex.shown(),
            vec![("grant_type", "refresh_token"), ("refresh_token", &token)],
        ];
        let reply = site
            .post("globex.test", "/oauth/token", &form.concat())
            .await;
        reply.refused(403, "invalid_grant", INVALID);
        // Nor does another application revoke it.
        let other = site.client(OTHER);
        let form = [other.shown(), vec![("token", &token)]].concat();
        site.post("acme.test", "/oauth/revoke", &form).await.good();
        site.refresh(&site.client(WEB), &token).await.good();
        Ok(())
    })
    .await
}

/// Row S5 for refresh tokens: another domain of the tenant is another issuer.
#[tokio::test]
async fn attack_24_a_refresh_token_is_good_at_the_issuer_that_gave_it() -> Result<()> {
    let name = "refreshes::attack_24_a_refresh_token_is_good_at_the_issuer_that_gave_it";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let (web, token) = (site.client(WEB), site.refresh_token(WEB, ORDERS).await);
        let form = [
            web.shown(),
            vec![("grant_type", "refresh_token"), ("refresh_token", &token)],
        ];
        let form = form.concat();
        let reply = site.post("login.acme.test", "/oauth/token", &form).await;
        reply.refused(403, "invalid_grant", INVALID);
        let reply = site.post("acme.test", "/oauth/token", &form).await.good();
        let claims = Forge::of(&reply.text("access_token")).claims;
        assert_eq!(claims["iss"], "https://acme.test/");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn attack_25_a_refresh_token_that_is_used_again_ends_its_family() -> Result<()> {
    let name = "refreshes::attack_25_a_refresh_token_that_is_used_again_ends_its_family";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        for at in [WEB, SPA] {
            let client = site.client(at);
            let first = site.refresh_token(at, ORDERS).await;
            let second = site.refresh(&client, &first).await.good();
            let second = second.text("refresh_token");
            let third = site.refresh(&client, &second).await.good();
            let third = third.text("refresh_token");
            assert!(first != second && second != third);
            for token in [&first, &third, &second] {
                let reply = site.refresh(&client, token).await;
                reply.refused(403, "invalid_grant", INVALID);
            }
            // Other families of the user go on.
            let other = site.refresh_token(at, ORDERS).await;
            site.refresh(&client, &other).await.good();
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn attack_25_a_refresh_token_that_was_used_is_dead_after_a_restart() -> Result<()> {
    let name = "refreshes::attack_25_a_refresh_token_that_was_used_is_dead_after_a_restart";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let web = site.client(WEB);
        let (one, two) = (
            site.refresh_token(WEB, ORDERS).await,
            site.refresh_token(WEB, ORDERS).await,
        );
        let next = site.refresh(&web, &one).await.good().text("refresh_token");
        opened.store.close().await;
        let store = opened.again().await?;
        let site = Site::over(std::sync::Arc::clone(&store));
        site.refresh(&web, &two).await.good();
        let reply = site.refresh(&web, &one).await;
        reply.refused(403, "invalid_grant", INVALID);
        let reply = site.refresh(&web, &next).await;
        reply.refused(403, "invalid_grant", INVALID);
        store.close().await;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn attack_26_a_refresh_gives_no_more_than_was_granted() -> Result<()> {
    let name = "refreshes::attack_26_a_refresh_gives_no_more_than_was_granted";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let web = site.client(WEB);
        let mut token = site.refresh_token(WEB, ORDERS).await;
        let ask = async |token: &str, scope: &str| {
            let form = [
                web.shown(),
                vec![
                    ("grant_type", "refresh_token"),
                    ("refresh_token", token),
                    ("scope", scope),
                ],
            ];
            site.token(&form.concat()).await
        };
        for (scope, given) in [
            ("read", "read"),
            ("openid", "openid"),
            ("", "openid offline_access read"),
        ] {
            let reply = ask(&token, scope).await.good();
            assert_eq!(reply.text("scope"), given);
            token = reply.text("refresh_token");
        }
        for scope in ["write", "read write", "openid profile", "read fly"] {
            let reply = ask(&token, scope).await;
            reply.refused(
                403,
                "invalid_scope",
                "The refresh token was not granted scopes:",
            );
        }
        // A refusal for the scopes uses no token up, and an audience changes nothing.
        let form = [
            web.shown(),
            vec![
                ("grant_type", "refresh_token"),
                ("refresh_token", &token),
                ("audience", BRIEF),
            ],
        ];
        let reply = site.token(&form.concat()).await.good();
        let claims = Forge::of(&reply.text("access_token")).claims;
        assert_eq!(claims["aud"][0], ORDERS);
        Ok(())
    })
    .await
}

/// RFC 8707 section 2.2: the answer does not say whom its token is for.
#[tokio::test]
async fn attack_26_a_token_is_for_the_resource_that_was_granted_or_there_is_none() -> Result<()> {
    let name = "refreshes::attack_26_a_token_is_for_the_resource_that_was_granted_or_there_is_none";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let web = site.client(WEB);
        let token = site.refresh_token(WEB, ORDERS).await;
        let ask = async |resource: &str| {
            let form = [
                ("grant_type", "refresh_token"),
                ("refresh_token", &*token),
                ("resource", resource),
            ];
            site.token(&[web.shown(), form.to_vec()].concat()).await
        };
        for other in [BRIEF, "https://nobody.test", "acme.test", "x"] {
            let reply = ask(other).await;
            reply.refused(
                400,
                "invalid_target",
                "resource is not the API that the user signed in for",
            );
        }
        // A refusal uses no token up.
        ask(ORDERS).await.good();

        for (audience, resource, status) in [
            (ORDERS, ORDERS, 200),
            (ORDERS, BRIEF, 400),
            ("", "https://acme.test/userinfo", 200),
            ("", ORDERS, 400),
        ] {
            let request = site.ask(WEB).with("audience", audience);
            let code = site.browser().authorize(&request, "ada").await.code();
            let form = [request.redemption(&code), vec![("resource", resource)]];
            let reply = site.token(&[web.shown(), form.concat()].concat()).await;
            assert_eq!(reply.status, status, "{audience} {resource}: {reply:?}");
        }
        Ok(())
    })
    .await
}
