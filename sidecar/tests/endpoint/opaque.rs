//! Attack 17: opaque tokens that were cut, changed, or written by others.

use anyhow::Result;

use crate::cluster::endpoint::WEB;
use crate::cluster::segment;
use crate::site::{HOST, Site};
use crate::stores::on_both;

#[tokio::test]
async fn attack_17_an_opaque_token_that_was_cut_or_changed_is_refused_at_userinfo() -> Result<()> {
    let name = "opaque::attack_17_an_opaque_token_that_was_cut_or_changed_is_refused_at_userinfo";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let token = site.tokens(WEB, "", "openid").await.text("access_token");
        let good = async || site.userinfo(HOST, &token).await.good();
        good().await;
        let mut others: Vec<String> = (0..token.len())
            .map(|end| token[..end].to_owned())
            .collect();
        for (at, letter) in token.char_indices().step_by(7) {
            let other = if letter == 'A' { "B" } else { "A" };
            others.push(format!("{}{other}{}", &token[..at], &token[at + 1..]));
        }
        let rest = token.split_once('.').unwrap().1;
        let unsealed = segment(r#"{"sub":"staff|ada","scope":["openid"]}"#);
        others.extend([
            format!("{token}."),
            format!("{token}.x"),
            format!("{}.{rest}", segment(r#"{"alg":"none","kid":"0"}"#)),
            format!(
                "{}.{rest}",
                segment(r#"{"alg":"dir","enc":"A256GCM","zip":"DEF","kid":"0"}"#)
            ),
            format!("{}.{unsealed}.", segment(r#"{"alg":"none"}"#)),
            "....".to_owned(),
        ]);
        for other in others.iter().filter(|other| !other.is_empty()) {
            let reply = site.userinfo(HOST, other).await;
            assert_eq!(
                (reply.status, reply.text("error")),
                (401, "invalid_token".into()),
                "{other}"
            );
        }
        // The tenant beside it has another secret.
        site.userinfo("globex.test", &token)
            .await
            .refused(401, "invalid_token", "");
        good().await;
        Ok(())
    })
    .await
}
