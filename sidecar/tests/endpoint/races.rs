//! Many who present one thing at once, over HTTP.

use anyhow::Result;
use tokio::task::JoinSet;

use crate::cluster::ORDERS;
use crate::cluster::endpoint::WEB;
use crate::reply::Reply;
use crate::site::{HOST, Site, post};
use crate::stores::on_both;

/// The answers to 64 who post one form at once. Who finds the store busy, and so nothing done, asks again.
async fn at_once(site: &Site, form: &[(&str, &str)]) -> Vec<Reply> {
    let mut asked = JoinSet::new();
    for _ in 0..64 {
        let sends: Vec<_> = (0..20)
            .map(|_| site.send(post(HOST, "/oauth/token", form), None))
            .collect();
        asked.spawn(async move {
            let mut last = None;
            for send in sends {
                let reply = send.await;
                let busy = reply.status == 503;
                last = Some(reply);
                if !busy {
                    break;
                }
            }
            last.unwrap()
        });
    }
    asked.join_all().await
}

/// Asserts that one of them won and that all others were refused; the answer of the one.
fn winner(replies: Vec<Reply>, text: &str) -> Reply {
    let (mut good, others): (Vec<_>, Vec<_>) =
        replies.into_iter().partition(|reply| reply.status == 200);
    assert!(good.len() <= 1, "{good:?}");
    for other in others {
        other.refused(403, "invalid_grant", text);
    }
    good.pop().unwrap()
}

#[tokio::test]
async fn attack_21_of_64_requests_with_one_code_one_is_answered() -> Result<()> {
    let name = "races::attack_21_of_64_requests_with_one_code_one_is_answered";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let (web, ask) = (site.client(WEB), site.ask(WEB).with("audience", ORDERS));
        let code = site.browser().authorize(&ask, "ada").await.code();
        let form = [web.shown(), ask.redemption(&code)].concat();
        let won = winner(at_once(&site, &form).await, "Invalid authorization code");
        assert!(!won.text("access_token").is_empty());
        Ok(())
    })
    .await
}

/// With a refresh token to come of it one is answered as well; and nobody has one that lives.
#[tokio::test]
async fn attack_21_of_64_requests_with_one_code_nobody_keeps_a_refresh_token() -> Result<()> {
    let name = "races::attack_21_of_64_requests_with_one_code_nobody_keeps_a_refresh_token";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let web = site.client(WEB);
        let ask = site.ask(WEB).with("scope", "openid offline_access");
        let code = site.browser().authorize(&ask, "ada").await.code();
        let form = [web.shown(), ask.redemption(&code)].concat();
        let replies = at_once(&site, &form).await;
        let won = winner(replies, "Invalid authorization code");
        assert!(!won.text("access_token").is_empty());
        if let Some(token) = won.json()["refresh_token"].as_str() {
            let reply = site.refresh(&web, token).await;
            reply.refused(403, "invalid_grant", "Unknown or invalid refresh token.");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn attack_25_of_64_requests_with_one_refresh_token_one_is_answered() -> Result<()> {
    let name = "races::attack_25_of_64_requests_with_one_refresh_token_one_is_answered";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let web = site.client(WEB);
        let token = site.refresh_token(WEB, ORDERS).await;
        let form = [
            web.shown(),
            vec![("grant_type", "refresh_token"), ("refresh_token", &*token)],
        ];
        let invalid = "Unknown or invalid refresh token.";
        let won = winner(at_once(&site, &form.concat()).await, invalid);
        // The others were a reuse: the family ended.
        let reply = site.refresh(&web, &won.text("refresh_token")).await;
        reply.refused(403, "invalid_grant", invalid);
        Ok(())
    })
    .await
}
