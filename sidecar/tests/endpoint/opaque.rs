//! Attack 17: opaque tokens that were cut, changed, or written by others.

use anyhow::Result;
use axum::body::Body;
use axum::http::Request;
use axum::http::request::Builder;

use crate::cluster::endpoint::WEB;
use crate::cluster::segment;
use crate::site::{HOST, Site, post};
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

/// RFC 6750 section 2. passport-auth0 has it in the query, pyoidc and Nimbus may have it in a form.
#[tokio::test]
async fn a_token_comes_to_userinfo_in_one_of_three_ways() -> Result<()> {
    let name = "opaque::a_token_comes_to_userinfo_in_one_of_three_ways";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let token = site.tokens(WEB, "", "openid").await.text("access_token");
        let form = [("access_token", &*token)];
        let bearer = format!("Bearer {token}");
        let by_query = format!("/userinfo?access_token={token}");
        let with = |request: Builder, in_header: bool| {
            let mut request = request.header("host", HOST);
            if in_header {
                request = request.header("authorization", &bearer);
            }
            request.body(Body::empty()).unwrap()
        };
        for good in [
            with(Request::get("/userinfo"), true),
            with(Request::post("/userinfo"), true),
            with(Request::get(&by_query), false),
            post(HOST, "/userinfo", &form),
        ] {
            let reply = site.send(good, None).await.good();
            assert_eq!(reply.text("sub"), "staff|ada");
            assert_eq!(reply.header("cache-control"), "no-store");
        }
        let mut in_both = post(HOST, "/userinfo", &form);
        in_both
            .headers_mut()
            .insert("authorization", bearer.parse()?);
        let mut twice = with(Request::get("/userinfo"), true);
        twice.headers_mut().append("authorization", bearer.parse()?);
        for twice in [
            in_both,
            twice,
            with(Request::get(&by_query), true),
            post(HOST, &by_query, &form),
        ] {
            let reply = site.send(twice, None).await;
            reply.refused(400, "invalid_request", "there is more than one token");
        }
        let mut as_json = post(HOST, "/userinfo", &form);
        as_json
            .headers_mut()
            .insert("content-type", "application/json".parse()?);
        for missing in [
            with(Request::get("/userinfo"), false),
            with(Request::get("/userinfo?access_token="), false),
            as_json,
        ] {
            let reply = site.send(missing, None).await;
            reply.refused(401, "invalid_request", "there is no token");
            assert!(
                reply
                    .header("www-authenticate")
                    .starts_with("Bearer realm=")
            );
        }
        Ok(())
    })
    .await
}
