//! Attack 29: introspection tells an application of its own tokens and of those for its own namespace's APIs.

use anyhow::Result;
use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cluster::ORDERS;
use crate::cluster::endpoint::{MACHINE, OTHER, ROBOT, SPA, WEB};
use crate::reply::Reply;
use crate::site::{HOST, Site};
use crate::stores::on_both;

const INACTIVE: &str = r#"{"active":false}"#;

async fn introspect(site: &Site, at: &str, token: &str) -> Reply {
    let client = site.client(at);
    let form = [client.shown(), vec![("token", token)]].concat();
    site.post(HOST, "/oauth/introspect", &form).await
}

/// As the robot in the namespace of the APIs asks, which sends its secret in the header.
async fn as_robot(site: &Site, token: &str) -> Reply {
    let robot = site.client(ROBOT);
    let credentials = STANDARD.encode(format!("{}:{}", robot.id, robot.secret));
    let request = Request::post("/oauth/introspect")
        .header("host", HOST)
        .header("authorization", format!("Basic {credentials}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(format!("token={token}")));
    site.send(request.unwrap(), None).await
}

#[tokio::test]
async fn attack_29_tokens_for_others_apis_are_not_told_of() -> Result<()> {
    let name = "introspection::attack_29_tokens_for_others_apis_are_not_told_of";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let tokens = site.tokens(WEB, ORDERS, "openid read").await;
        let token = tokens.text("access_token");
        let told = as_robot(&site, &token).await.good().json();
        assert_eq!(told["active"], true);
        assert_eq!(told["sub"], "staff|ada");
        assert_eq!(told["client_id"], site.client(WEB).id.as_str());
        assert_eq!(told["scope"], "openid read");
        // The application that it was given to is in another namespace than the API.
        for at in [WEB, MACHINE, OTHER] {
            assert_eq!(introspect(&site, at, &token).await.good().body, INACTIVE);
        }
        let opaque = site.tokens(WEB, "", "openid").await.text("access_token");
        for token in [
            &*opaque,
            &tokens.text("id_token"),
            &token[1..],
            "x",
            "a.b.c",
            "v1.x",
        ] {
            let reply = as_robot(&site, token).await.good();
            assert_eq!(reply.body, INACTIVE, "{token}");
            assert_eq!(reply.header("cache-control"), "no-store");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn attack_29_refresh_tokens_of_others_are_not_told_of() -> Result<()> {
    let name = "introspection::attack_29_refresh_tokens_of_others_are_not_told_of";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let web = site.client(WEB);
        let token = site.refresh_token(WEB, ORDERS).await;
        let told = introspect(&site, WEB, &token).await.good().json();
        assert_eq!(
            (&told["active"], &told["sub"]),
            (&true.into(), &"staff|ada".into())
        );
        for at in [OTHER, MACHINE] {
            assert_eq!(introspect(&site, at, &token).await.good().body, INACTIVE);
        }
        assert_eq!(as_robot(&site, &token).await.good().body, INACTIVE);
        // Asking uses nothing up; one that was used is told of no more.
        let next = site
            .refresh(&web, &token)
            .await
            .good()
            .text("refresh_token");
        assert_eq!(introspect(&site, WEB, &token).await.good().body, INACTIVE);
        assert_eq!(introspect(&site, WEB, &next).await.json()["active"], true);
        site.refresh(&web, &next).await.good();
        Ok(())
    })
    .await
}

#[tokio::test]
async fn attack_29_who_does_not_show_who_it_is_learns_nothing() -> Result<()> {
    let name = "introspection::attack_29_who_does_not_show_who_it_is_learns_nothing";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let token = site.refresh_token(SPA, ORDERS).await;
        let ask = async |form: &[(&str, &str)]| site.post(HOST, "/oauth/introspect", form).await;
        introspect(&site, WEB, &token).await.good();
        let nobody = ask(&[("token", &token)]).await;
        nobody.refused(
            400,
            "invalid_request",
            "Missing required parameter: client_id",
        );
        let web = site.client(WEB);
        let wrong = ask(&[
            ("client_id", &web.id),
            ("client_secret", "x"),
            ("token", &token),
        ])
        .await;
        wrong.refused(401, "access_denied", "Unauthorized");
        // A public client has shown nothing by its name.
        let public = introspect(&site, SPA, &token).await;
        public.refused(403, "unauthorized_client", "");
        ask(&web.shown()).await.refused(400, "invalid_request", "");
        Ok(())
    })
    .await
}
