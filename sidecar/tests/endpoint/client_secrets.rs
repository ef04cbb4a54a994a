//! Another secret takes the place of an application's, wherever it shows who it is, and users notice nothing.

use anyhow::Result;
use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mintage_core::LEEWAY;

use crate::audit::{Log, exposed};
use crate::cluster::endpoint::WEB;
use crate::cluster::{NOW, ORDERS};
use crate::reply::Reply;
use crate::site::{Client, HOST, Site};
use crate::stores::on_both;

const DAY: i64 = 86_400;

/// When the application is given the secret that was asked for at [`NOW`]: the propagation delay, and a little for clocks.
const GIVEN: i64 = 300 + LEEWAY;

const FORM: &str = "grant_type=client_credentials&audience=https%3A%2F%2Forders.test";

async fn by_header(site: &Site, client: &Client) -> Reply {
    let credentials = STANDARD.encode(format!("{}:{}", client.id, client.secret));
    let request = Request::post("/oauth/token")
        .header("host", HOST)
        .header("authorization", format!("Basic {credentials}"))
        .header("content-type", "application/x-www-form-urlencoded");
    site.send(request.body(Body::from(FORM)).unwrap(), None)
        .await
}

/// Everywhere that an application shows who it is, in each way.
async fn everywhere(site: &Site, client: &Client) -> Vec<u16> {
    let api = [("grant_type", "client_credentials"), ("audience", ORDERS)];
    let by_form = site.token(&[&client.shown(), &api[..]].concat()).await;
    let by_header = by_header(site, client).await;
    let token = [client.shown(), vec![("token", "x")]].concat();
    let told = site.post(HOST, "/oauth/introspect", &token).await;
    let revoked = site.post(HOST, "/oauth/revoke", &token).await;
    let all = [by_form, by_header, told, revoked];
    all.iter().map(|reply| reply.status).collect()
}

fn ask_for(site: &Site, generation: u32, accept_previous: i64) {
    site.edit_application(WEB, |web| {
        web.secret.generation = generation;
        web.secret.accept_previous = accept_previous;
    });
}

fn of_generation(site: &Site, generation: u32) -> Client {
    let (realm, mut client) = (site.realm(), site.client(WEB));
    let id = client.id.parse().unwrap();
    client.secret = realm.master.client_secret(&id, generation).to_string();
    client
}

#[tokio::test]
async fn either_secret_is_good_until_the_earlier_one_ends_on_time() -> Result<()> {
    let name = "client_secrets::either_secret_is_good_until_the_earlier_one_ends_on_time";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let (old, new) = (site.client(WEB), of_generation(&site, 2));
        let refresh_token = site.refresh_token(WEB, ORDERS).await;
        assert_eq!(
            everywhere(&site, &new).await,
            [401; 4],
            "nobody asked for it"
        );

        ask_for(&site, 2, DAY);
        assert_eq!(site.client(WEB).secret, old.secret, "it is not given yet");
        for client in [&old, &new] {
            assert_eq!(everywhere(&site, client).await, [200; 4]);
        }
        site.advance_to(NOW + GIVEN);
        assert_eq!(site.client(WEB).secret, new.secret);
        for client in [&old, &new] {
            assert_eq!(everywhere(&site, client).await, [200; 4]);
        }
        // The endpoint's own clock ends it: it hears of nothing more.
        site.clock.set(NOW + GIVEN + DAY);
        assert_eq!(everywhere(&site, &old).await, [200; 4]);
        site.clock.set(NOW + GIVEN + DAY + 1);
        assert_eq!(everywhere(&site, &old).await, [401; 4]);
        assert_eq!(everywhere(&site, &new).await, [200; 4]);
        assert_eq!(everywhere(&site, &of_generation(&site, 3)).await, [401; 4]);
        site.refresh(&new, &refresh_token).await.good();
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_secret_that_leaked_is_refused_at_once_and_users_go_on() -> Result<()> {
    let name = "client_secrets::a_secret_that_leaked_is_refused_at_once_and_users_go_on";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let leaked = site.client(WEB);
        let mut browser = site.browser();
        let scope = "openid offline_access read";
        let ask = site.ask(WEB).with("audience", ORDERS).with("scope", scope);
        let code = browser.authorize(&ask, "ada").await.code();
        let tokens = site.redeem(&leaked, &ask, &code).await.good();

        ask_for(&site, 2, 0);
        assert_eq!(everywhere(&site, &leaked).await, [401; 4]);
        let new = site.client(WEB);
        assert_ne!(new.secret, leaked.secret);
        assert_eq!(everywhere(&site, &new).await, [200; 4]);
        let refreshed = site.refresh(&new, &tokens.text("refresh_token")).await;
        refreshed.good();
        // The session, too.
        browser
            .get(&ask.with("prompt", "none").target())
            .await
            .code();
        Ok(())
    })
    .await
}

#[tokio::test]
async fn who_still_has_an_earlier_secret_is_told_of_and_counted() -> Result<()> {
    let name = "client_secrets::who_still_has_an_earlier_secret_is_told_of_and_counted";
    on_both(name, async |opened| {
        Log::listen();
        let site = Site::on(opened);
        let (old, new) = (site.client(WEB), of_generation(&site, 2));
        by_header(&site, &old).await.good();
        ask_for(&site, 2, DAY);
        by_header(&site, &new).await.good();
        Log::lines();
        site.advance_to(NOW + GIVEN);
        by_header(&site, &new).await.good();
        let events = |lines: &[std::collections::BTreeMap<String, String>]| {
            let events = lines.iter().map(|line| line["event"].clone());
            events.collect::<Vec<_>>()
        };
        assert_eq!(events(&Log::lines()), ["token-issued"]);
        by_header(&site, &old).await.good();
        let lines = Log::lines();
        assert_eq!(events(&lines), ["earlier-secret-used", "token-issued"]);
        let line = &lines[0];
        assert_eq!(line["client"], old.id);
        assert_eq!(line["application"], WEB);
        assert_eq!((&*line["generation"], &*line["in_use"]), ("1", "2"));
        let told = format!("{lines:?}");
        assert!(
            !told.contains(&old.secret) && !told.contains(&new.secret),
            "{told}"
        );
        let shown = exposed(&site);
        for (kind, count) in [("current", 2), ("earlier", 1), ("next", 1)] {
            let line =
                format!("mintage_endpoint_client_secrets_total{{kind=\"{kind}\"}} {count}\n");
            assert!(shown.contains(&line), "{line}{shown}");
        }
        Ok(())
    })
    .await
}
