//! Attack 29: introspection tells an application of its own tokens and of those for its own namespace's APIs.

use anyhow::Result;
use aws_lc_rs::hmac;
use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mintage_core::LEEWAY;
use serde_json::{Value, json};

use crate::cluster::endpoint::{MACHINE, OTHER, ROBOT, SHARED, SPA, WEB};
use crate::cluster::{Forge, NOW, ORDERS, name as name_of, segment};
use crate::reply::Reply;
use crate::site::{HOST, Site};
use crate::stores::on_both;
use crate::visits::with_provider;

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

async fn is_active(site: &Site, token: &str) -> bool {
    as_robot(site, token).await.good().json()["active"] == true
}

/// RFC 7662 section 2.2: what the endpoint itself refuses is not active.
#[tokio::test]
async fn attack_26_what_is_of_a_user_or_application_that_is_gone_is_not_active() -> Result<()> {
    let name =
        "introspection::attack_26_what_is_of_a_user_or_application_that_is_gone_is_not_active";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let access = site.tokens(WEB, ORDERS, "openid").await;
        let access = access.text("access_token");
        let refresh = site.refresh_token(WEB, ORDERS).await;
        let own = async |at| {
            let own = [("grant_type", "client_credentials"), ("audience", ORDERS)];
            let client = site.client(at);
            let form = [client.shown(), own.to_vec()].concat();
            site.token(&form).await.good().text("access_token")
        };
        let (of_web, of_machine) = (own(WEB).await, own(MACHINE).await);
        let found = async || {
            let refresh = introspect(&site, WEB, &refresh).await.json()["active"] == true;
            (
                is_active(&site, &access).await,
                refresh,
                is_active(&site, &of_web).await,
            )
        };
        assert_eq!(found().await, (true, true, true));
        let block = |blocked: bool| {
            site.edit(|_, accounts| accounts.get_mut("ada").unwrap()["blocked"] = blocked.into());
        };
        block(true);
        assert_eq!(found().await, (false, false, true));
        block(false);
        assert_eq!(found().await, (true, true, true));
        site.edit_api(ORDERS, |orders| orders.users.offline_access = false);
        assert_eq!(found().await, (true, false, true));
        site.edit_api(ORDERS, |orders| orders.users.offline_access = true);
        site.edit(|_, accounts| drop(accounts.remove("ada")));
        assert_eq!(found().await, (false, false, true));
        assert!(is_active(&site, &of_machine).await);
        site.edit(|world, _| {
            world.applications.retain(|application| {
                let at = application.at.to_string();
                at != WEB && at != MACHINE
            });
        });
        for token in [&access, &of_web, &of_machine] {
            assert!(!is_active(&site, token).await);
        }
        Ok(())
    })
    .await
}

/// Where the store cannot say whether a user of a provider is there, nobody is told that a token is good, or that it is not.
#[tokio::test]
async fn without_the_store_nothing_is_said_of_a_users_token() -> Result<()> {
    let name = "introspection::without_the_store_nothing_is_said_of_a_users_token";
    on_both(name, async |opened| {
        let (site, idp) = with_provider(opened).await;
        let ask = site
            .ask(WEB)
            .with("audience", ORDERS)
            .with("connection", "corp");
        let mut browser = site.browser();
        let leave = browser.get_once(&ask.target()).await;
        let code = browser
            .get(&idp.sign_in(leave.location(), "ada"))
            .await
            .code();
        let tokens = site.redeem(&site.client(WEB), &ask, &code).await.good();
        let token = tokens.text("access_token");
        assert!(is_active(&site, &token).await);
        opened.store.close().await;
        as_robot(&site, &token)
            .await
            .refused(503, "temporarily_unavailable", "");
        Ok(())
    })
    .await
}

/// An HS256 token, as whoever has some secret would write it.
fn hs256(token: &Forge, secret: &[u8]) -> String {
    let (header, claims) = token.texts();
    let input = format!("{}.{}", segment(header), segment(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let signature = segment(hmac::sign(&key, input.as_bytes()));
    format!("{input}.{signature}")
}

#[tokio::test]
async fn attack_02_a_secret_is_tried_on_tokens_of_its_own_api_alone() -> Result<()> {
    let name = "introspection::attack_02_a_secret_is_tried_on_tokens_of_its_own_api_alone";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let second = "https://second.test";
        site.edit(|world, _| {
            let mut all = world.audiences.iter();
            let shared = all.find(|api| api.identifier.as_str() == SHARED).unwrap();
            let mut api = shared.clone();
            api.at = name_of("orders/second");
            api.identifier = name_of(second);
            api.uid = name_of("uid-of-second");
            world.audiences.push(api);
        });
        let token = site.tokens(WEB, SHARED, "read").await.text("access_token");
        let told = as_robot(&site, &token).await.good().json();
        assert_eq!(told["active"], true);
        assert_eq!(told["aud"], SHARED);
        assert_eq!(told["sub"], "staff|ada");
        assert_eq!(told["scope"], "read");
        // The application that it was given to is in another namespace than the API.
        assert_eq!(introspect(&site, WEB, &token).await.body, INACTIVE);

        let realm = site.realm();
        let secret = |api: &str| {
            let api = &realm.config.apis[api];
            realm.master.api_secret(api).as_bytes().to_vec()
        };
        let (forge, own) = (Forge::of(&token), secret(SHARED));
        assert!(is_active(&site, &hs256(&forge, &own)).await);
        let jwks = realm.jwks(NOW);
        let public = jwks.keys.iter().map(|jwk| serde_json::to_vec(jwk).unwrap());
        let wrong = public.chain([
            Vec::new(),
            b"secret".to_vec(),
            secret(second),
            secret(ORDERS),
        ]);
        for wrong in wrong {
            assert!(!is_active(&site, &hs256(&forge, &wrong)).await);
        }
        let claim = |name, value: Value| hs256(&forge.clone().claim(name, value), &own);
        let header = |name, value: Value| hs256(&forge.clone().header(name, value), &own);
        for changed in [
            // Another API's token, of the same kind or of another.
            claim("aud", second.into()),
            claim("aud", ORDERS.into()),
            claim("aud", json!([SHARED])),
            claim("aud", json!([SHARED, second])),
            claim("aud", Value::Null),
            claim("iss", "https://globex.test/".into()),
            claim("iss", "https://evil.test/".into()),
            claim("exp", (NOW.0 - LEEWAY).into()),
            claim("iat", (NOW.0 + LEEWAY + 1).into()),
            claim("nbf", (NOW.0 + LEEWAY + 1).into()),
            claim("exp", (NOW.0 + 2_592_001).into()),
            claim("cnf", json!({ "jkt": "x" })),
            claim("sub", "staff|nobody".into()),
            claim("azp", "nobody".into()),
            header("alg", "RS256".into()),
            header("alg", "HS384".into()),
            header("alg", "hs256".into()),
            header("alg", "none".into()),
            header("typ", "dpop+jwt".into()),
            header("crit", json!(["exp"])),
            header("jwk", json!({ "kty": "oct" })),
            token.rsplit_once('.').unwrap().0.to_owned() + ".",
        ] {
            assert!(!is_active(&site, &changed).await, "{changed}");
        }
        // A token of an API with a key pair stays one: its secret, which nobody uses, signs nothing.
        let asymmetric = site.tokens(WEB, ORDERS, "read").await;
        let asymmetric = Forge::of(&asymmetric.text("access_token"));
        let confused = asymmetric.header("alg", "HS256");
        assert!(!is_active(&site, &hs256(&confused, &secret(ORDERS))).await);
        site.clock.set(NOW + 86_400 + LEEWAY);
        assert!(!is_active(&site, &token).await);
        Ok(())
    })
    .await
}

/// The identifier is free once its holder is gone, and another one has it: neither signs what the other believes.
#[tokio::test]
async fn attack_32_who_takes_an_api_over_takes_over_no_secret() -> Result<()> {
    let name = "introspection::attack_32_who_takes_an_api_over_takes_over_no_secret";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let secret = || {
            let realm = site.realm();
            realm.master.api_secret(&realm.config.apis[SHARED])
        };
        let token = site.tokens(WEB, SHARED, "read").await.text("access_token");
        let (forge, before) = (Forge::of(&token), secret());
        assert!(is_active(&site, &hs256(&forge, before.as_bytes())).await);
        site.edit(|world, _| {
            let mut all = world.audiences.iter_mut();
            let shared = all.find(|api| api.identifier.as_str() == SHARED).unwrap();
            let mut another = mintage_core::world::Audience::clone(shared);
            another.uid = name_of("uid-of-another");
            *shared = another.into();
        });
        assert!(!is_active(&site, &hs256(&forge, before.as_bytes())).await);
        assert!(!is_active(&site, &token).await);
        assert!(is_active(&site, &hs256(&forge, secret().as_bytes())).await);
        let token = site.tokens(WEB, SHARED, "read").await.text("access_token");
        assert!(is_active(&site, &token).await);
        Ok(())
    })
    .await
}
