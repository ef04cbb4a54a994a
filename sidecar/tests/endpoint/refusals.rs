//! The audit of what is refused to clients, and of what ends without anybody's asking: each has its line, with who and where.

use anyhow::Result;
use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mintage_core::UserId;
use mintage_sidecar::endpoint::store::{Digest, Family, FamilyId};

use crate::audit::{Line, Log};
use crate::cluster::endpoint::{ROBOT, WEB};
use crate::cluster::{NOW, ORDERS, name as name_of};
use crate::idp::Idp;
use crate::site::{HOST, Site};
use crate::stores::on_both;
use crate::visits::{signs_in, with_provider};

/// A site whose requests come from one address.
fn listened(mut site: Site) -> Result<Site> {
    Log::listen();
    site.peer = Some("192.0.2.7".parse()?);
    Ok(site)
}

/// The only line of an event since it was asked last; the tenant and the address are in it.
fn only(event: &str) -> Line {
    let mut lines = Log::lines();
    lines.retain(|line| line["event"] == event);
    let [line] = lines.as_slice() else {
        panic!("{event}: {lines:?}")
    };
    assert_eq!(line["tenant"], "identity/acme");
    assert_eq!(line["address"], "192.0.2.7");
    line.clone()
}

/// A form with HTTP Basic.
fn basic(path: &str, client: &str, secret: &str, form: &str) -> Request<Body> {
    let credentials = STANDARD.encode(format!("{client}:{secret}"));
    let request = Request::post(path).header("host", HOST);
    let request = request.header("authorization", format!("Basic {credentials}"));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    request.body(Body::from(form.to_owned())).unwrap()
}

#[tokio::test]
async fn who_is_refused_is_told_however_it_sent_its_name() -> Result<()> {
    let name = "refusals::who_is_refused_is_told_however_it_sent_its_name";
    on_both(name, async |opened| {
        let site = listened(Site::on(opened))?;
        let robot = site.client(ROBOT);
        for (path, event) in [
            ("/oauth/token", "token-refused"),
            ("/oauth/revoke", "client-refused"),
            ("/oauth/introspect", "client-refused"),
        ] {
            let wrong = basic(
                path,
                &robot.id,
                "a-guess",
                "grant_type=client_credentials&token=x",
            );
            assert_eq!(site.send(wrong, None).await.status, 401, "{path}");
            let line = only(event);
            assert_eq!(line["client"], robot.id, "{path}");
            assert_eq!(line["rule"], "client-not-authenticated", "{path}");
            assert!(!format!("{line:?}").contains("a-guess"), "{line:?}");
            let form = [("client_id", &*robot.id), ("client_secret", "a-guess")];
            site.post(HOST, path, &form).await;
            assert_eq!(only(event)["client"], robot.id, "{path}");
            // What cannot be read at all is refused by somebody, too.
            let broken = basic(path, &robot.id, &robot.secret, "token=%");
            assert_eq!(site.send(broken, None).await.status, 400, "{path}");
            let line = only(event);
            assert_eq!(
                (&*line["client"], &*line["rule"]),
                (&*robot.id, "form-malformed")
            );
        }
        let missing = basic("/oauth/introspect", &robot.id, &robot.secret, "");
        assert_eq!(site.send(missing, None).await.status, 400);
        let line = only("client-refused");
        assert_eq!(
            (&*line["route"], &*line["rule"]),
            ("introspect", "token-missing")
        );
        let nobody = Request::get("/userinfo").header("host", HOST);
        site.send(nobody.body(Body::empty())?, None).await;
        assert_eq!(only("token-rejected")["rule"], "token-missing");
        let token = site.tokens(WEB, "", "profile").await.text("access_token");
        Log::lines();
        let reply = site.userinfo(HOST, &token).await;
        reply.refused(403, "insufficient_scope", "");
        assert_eq!(only("token-rejected")["rule"], "insufficient-scope");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_makes_room_for_a_new_refresh_token_is_told() -> Result<()> {
    let name = "refusals::what_makes_room_for_a_new_refresh_token_is_told";
    on_both(name, async |opened| {
        let site = listened(Site::on(opened))?;
        let web = site.client(WEB);
        let tenant = site.realm().config.tenant_uid.clone();
        let before = |number: u8| Family {
            id: FamilyId::from([number; 16]),
            client: name_of(&web.id),
            user: UserId::parse("staff|ada").unwrap(),
            session: None,
            payload: "{}".to_owned(),
            created_at: NOW,
            ends_at: NOW + 86_400,
            idle_until: None,
            rotated_at: None,
            revoked_at: None,
        };
        let many = std::num::NonZeroU32::new(200).unwrap();
        for number in 0..199 {
            let digest = Digest::from([number; 32]);
            let family = before(number);
            opened
                .store
                .begin_family(&tenant, &family, &digest, many)
                .await?;
        }
        site.clock.set(NOW + 1);
        site.refresh_token(WEB, ORDERS).await;
        assert!(
            Log::lines()
                .iter()
                .all(|line| line["event"] != "refresh-tokens-dropped")
        );
        site.refresh_token(WEB, ORDERS).await;
        let line = only("refresh-tokens-dropped");
        assert_eq!((&*line["sub"], &*line["count"]), ("staff|ada", "1"));
        assert_eq!(line["client"], web.id);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_ends_with_another_user_of_the_same_name_is_told() -> Result<()> {
    let name = "refusals::what_ends_with_another_user_of_the_same_name_is_told";
    on_both(name, async |opened| {
        let (site, idp) = with_provider(opened).await;
        let site = listened(site)?;
        signs_in(&site, &idp, "1").await.code();
        signs_in(&site, &idp, "1").await.code();
        assert!(
            Log::lines()
                .iter()
                .all(|line| line["event"] != "user-replaced")
        );
        let other = Idp::start().await;
        site.edit_connections(|all| all[1] = other.connection("corp"));
        signs_in(&site, &other, "1").await.code();
        let line = only("user-replaced");
        for (field, value) in [
            ("sub", "corp|1"),
            ("connection", "corp"),
            ("sessions", "2"),
            ("refresh_tokens", "0"),
            ("scopes", "0"),
        ] {
            assert_eq!(line[field], value, "{field}");
        }
        Ok(())
    })
    .await
}
