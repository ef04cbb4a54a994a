//! What is read at `/oauth/token` and beside it: forms and JSON objects, each parameter once.

use anyhow::Result;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::ask::VERIFIER;
use crate::cluster::ORDERS;
use crate::cluster::endpoint::{MACHINE, WEB};
use crate::reply::Reply;
use crate::site::{HOST, Site};
use crate::stores::on_both;

async fn send(site: &Site, path: &str, media_type: &str, body: String) -> Reply {
    let request = Request::post(path)
        .header("host", HOST)
        .header("content-type", media_type);
    site.send(request.body(Body::from(body)).unwrap(), None)
        .await
}

async fn send_json(site: &Site, path: &str, body: &Value) -> Reply {
    send(
        site,
        path,
        "application/json; charset=utf-8",
        body.to_string(),
    )
    .await
}

#[tokio::test]
async fn json_is_as_good_as_a_form() -> Result<()> {
    on_both("bodies::json_is_as_good_as_a_form", async |opened| {
        let site = Site::on(opened);
        let (web, ask) = (site.client(WEB), site.ask(WEB).with("scope", "openid offline_access"));
        let code = site.browser().authorize(&ask, "ada").await.code();
        let own = json!({ "client_id": web.id, "client_secret": web.secret });
        let with = |more: Value| {
            let (mut all, Value::Object(more)) = (own.clone(), more) else { panic!() };
            all.as_object_mut().unwrap().extend(more);
            all
        };
        let redemption = with(json!({
            "grant_type": "authorization_code", "code": code, "redirect_uri": ask.get("redirect_uri"),
            "code_verifier": VERIFIER, "not_ours": [1, 2], "scope": null,
        }));
        let reply = send_json(&site, "/oauth/token", &redemption).await.good();
        let refresh = with(json!({ "grant_type": "refresh_token", "refresh_token": reply.text("refresh_token") }));
        let reply = send_json(&site, "/oauth/token", &refresh).await.good();
        let token = reply.text("refresh_token");
        let asked = with(json!({ "token": token }));
        let told = send_json(&site, "/oauth/introspect", &asked).await.good();
        assert_eq!(told.json()["active"], true);
        send_json(&site, "/oauth/revoke", &asked).await.good();
        let told = send_json(&site, "/oauth/introspect", &asked).await.good();
        assert_eq!(told.json()["active"], false);
        let own = with(json!({ "grant_type": "client_credentials", "audience": ORDERS }));
        send_json(&site, "/oauth/token", &own).await.good();
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_is_neither_form_nor_json_or_says_a_thing_twice_is_refused() -> Result<()> {
    let name = "bodies::what_is_neither_form_nor_json_or_says_a_thing_twice_is_refused";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let machine = site.client(MACHINE);
        let form = format!(
            "grant_type=client_credentials&audience={ORDERS}&client_id={}&client_secret={}",
            machine.id, machine.secret
        );
        let as_form = "application/x-www-form-urlencoded";
        send(&site, "/oauth/token", as_form, form.clone())
            .await
            .good();
        let secret = &machine.secret;
        let many: Vec<_> = (0..40).map(|number| format!("p{number}=1")).collect();
        for (status, media_type, body) in [
            (415, "text/plain", form.clone()),
            (415, "multipart/form-data; boundary=x", form.clone()),
            (415, "", form.clone()),
            (400, as_form, format!("{form}&client_secret={secret}")),
            (
                400,
                as_form,
                format!("{form}&grant_type=client_credentials"),
            ),
            (400, as_form, format!("{form}&scope=%zz")),
            (400, as_form, format!("{form}&scope=%ff")),
            (413, as_form, format!("{form}&scope={}", "a".repeat(70_000))),
            (400, "application/json", form.clone()),
            (400, "application/json", "[]".into()),
            (400, "application/json", r#"{"grant_type":7}"#.into()),
            (
                400,
                "application/json",
                r#"{"grant_type":"a","grant_type":"b"}"#.into(),
            ),
            (400, as_form, format!("{}&{form}", many.join("&"))),
        ] {
            let shown = body.chars().take(100).collect::<String>();
            let reply = send(&site, "/oauth/token", media_type, body).await;
            assert_eq!(reply.status, status, "{media_type} {shown}: {reply:?}");
            reply.refused(status, "invalid_request", "");
            assert!(!reply.body.contains(secret.as_str()), "{reply:?}");
        }
        // A secret in the query is not looked for, and would be in logs.
        let reply = send(
            &site,
            &format!("/oauth/token?{form}"),
            as_form,
            String::new(),
        )
        .await;
        reply.refused(
            400,
            "invalid_request",
            "Missing required parameter: client_id",
        );
        Ok(())
    })
    .await
}
