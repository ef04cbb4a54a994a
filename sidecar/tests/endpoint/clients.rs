//! Attack 27: how an application shows who it is, and how nobody else does.

use std::fmt::Write as _;

use anyhow::Result;
use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cluster::ORDERS;
use crate::cluster::endpoint::{MACHINE, ROBOT, SPA, WEB};
use crate::reply::Reply;
use crate::site::{Client, HOST, Site};
use crate::stores::on_both;

const FORM: &str = "grant_type=client_credentials&audience=https%3A%2F%2Forders.test";

/// Asks for a token by a header and more of the form.
async fn by_header(site: &Site, credentials: &[&str], more: &str) -> Reply {
    let mut request = Request::post("/oauth/token")
        .header("host", HOST)
        .header("content-type", "application/x-www-form-urlencoded");
    for credentials in credentials {
        request = request.header("authorization", *credentials);
    }
    let body = Body::from(format!("{FORM}{more}"));
    site.send(request.body(body).unwrap(), None).await
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

async fn by_form(site: &Site, id: &str, secret: &str) -> Reply {
    let own = [
        ("grant_type", "client_credentials"),
        ("audience", ORDERS),
        ("client_id", id),
        ("client_secret", secret),
    ];
    site.token(&own).await
}

#[tokio::test]
async fn attack_27_no_secret_and_no_others_secret_opens_anything() -> Result<()> {
    let name = "clients::attack_27_no_secret_and_no_others_secret_opens_anything";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let (web, machine) = (site.client(WEB), site.client(MACHINE));
        for client in [&web, &machine] {
            by_form(&site, &client.id, &client.secret).await.good();
            let of_another = if client.id == web.id { &machine } else { &web };
            for secret in [
                "",
                " ",
                "\u{0}",
                "null",
                &client.secret[1..],
                &format!("{} ", client.secret),
                &client.secret.to_uppercase(),
                &of_another.secret,
                &client.id,
            ] {
                let reply = by_form(&site, &client.id, secret).await;
                reply.refused(401, "access_denied", "Unauthorized");
            }
            // Present and empty is not the same as absent to a parser, and is here.
            let credentials = basic(&client.id, "");
            let reply = by_header(&site, &[&credentials], "").await;
            reply.refused(401, "access_denied", "Unauthorized");
            let raw = format!("&client_id={}&client_secret=", client.id);
            let reply = by_header(&site, &[], &raw).await;
            reply.refused(401, "access_denied", "Unauthorized");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn attack_27_a_secret_is_sent_in_the_way_that_was_agreed_and_in_one_way() -> Result<()> {
    let name = "clients::attack_27_a_secret_is_sent_in_the_way_that_was_agreed_and_in_one_way";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let (web, machine, robot) = (site.client(WEB), site.client(MACHINE), site.client(ROBOT));
        let header = |client: &Client| basic(&client.id, &client.secret);
        for (client, form, basic) in [(&web, 200, 200), (&machine, 200, 401), (&robot, 401, 200)] {
            let reply = by_form(&site, &client.id, &client.secret).await;
            assert_eq!(reply.status, form, "{reply:?}");
            let reply = by_header(&site, &[&header(client)], "").await;
            assert_eq!(reply.status, basic, "{reply:?}");
        }
        let own = header(&web);
        let refused = by_header(&site, &[&basic(&web.id, "wrong")], "").await;
        assert_eq!(
            refused.header("www-authenticate"),
            "Basic realm=\"acme.test\""
        );
        for (credentials, more) in [
            (&[&*own, &own][..], String::new()),
            (&[&*own, &basic("nobody", "x")], String::new()),
            (&[&*own], format!("&client_secret={}", web.secret)),
            (&[&*own], format!("&client_id={}", machine.id)),
        ] {
            let reply = by_header(&site, credentials, &more).await;
            reply.refused(400, "invalid_request", "");
        }
        for garbage in ["Basic", "Basic !", "Basic Og==", "Bearer x", "basic"] {
            let reply = by_header(&site, &[garbage], "").await;
            reply.refused(401, "access_denied", "Unauthorized");
        }
        by_header(&site, &[&own], &format!("&client_id={}", web.id))
            .await
            .good();
        Ok(())
    })
    .await
}

/// RFC 6749 section 2.3.1: user and password of the header are form-encoded.
#[tokio::test]
async fn the_header_is_read_form_encoded() -> Result<()> {
    on_both("clients::the_header_is_read_form_encoded", async |opened| {
        let site = Site::on(opened);
        let web = site.client(WEB);
        let encode = |text: &str| {
            text.bytes().fold(String::new(), |mut encoded, byte| {
                write!(encoded, "%{byte:02x}").unwrap();
                encoded
            })
        };
        let encoded = basic(&encode(&web.id), &encode(&web.secret));
        by_header(&site, &[&encoded], "").await.good();
        let lower = encoded.replacen("Basic", "bASIC", 1);
        by_header(&site, &[&lower], "").await.good();
        let twice = basic(&encode(&web.id), &encode(&encode(&web.secret)));
        let reply = by_header(&site, &[&twice], "").await;
        reply.refused(401, "access_denied", "Unauthorized");
        Ok(())
    })
    .await
}

/// A public client shows no secret, and cannot pass for one that has shown something.
#[tokio::test]
async fn attack_27_a_secret_with_a_client_that_has_none_is_somebody_elses() -> Result<()> {
    let name = "clients::attack_27_a_secret_with_a_client_that_has_none_is_somebody_elses";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let (spa, web, ask) = (site.client(SPA), site.client(WEB), site.ask(SPA));
        let mut browser = site.browser();
        let code = browser.authorize(&ask, "ada").await.code();
        site.redeem(&spa, &ask, &code).await.good();
        let code = browser.authorize(&ask, "ada").await.code();
        let with_secret = Client {
            secret: web.secret.clone(),
            ..spa.clone()
        };
        let reply = site.redeem(&with_secret, &ask, &code).await;
        reply.refused(401, "access_denied", "Unauthorized");
        // The secret that a public client would have, were it no public client.
        let realm = site.realm();
        let derived = realm
            .master
            .client_secret(&mintage_core::ClientId::parse(&spa.id)?, 1);
        let with_secret = Client {
            secret: derived.to_string(),
            ..spa.clone()
        };
        let reply = site.redeem(&with_secret, &ask, &code).await;
        reply.refused(401, "access_denied", "Unauthorized");
        site.redeem(&spa, &ask, &code).await.good();
        Ok(())
    })
    .await
}

/// Else anybody could lock an application out, or one pod with an old secret all that share its address.
#[tokio::test]
async fn wrong_secrets_lock_nobody_out() -> Result<()> {
    on_both("clients::wrong_secrets_lock_nobody_out", async |opened| {
        let mut site = Site::on(opened);
        site.peer = Some("192.0.2.1".parse()?);
        let machine = site.client(MACHINE);
        for number in 0..300 {
            let reply = by_form(&site, &machine.id, &number.to_string()).await;
            reply.refused(401, "access_denied", "Unauthorized");
        }
        by_form(&site, &machine.id, &machine.secret).await.good();
        Ok(())
    })
    .await
}
