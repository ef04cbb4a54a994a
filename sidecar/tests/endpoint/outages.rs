//! Faults F10 and F11 as clients see them: a store that does not answer gives nothing out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use mintage_sidecar::endpoint::store::open;
use tokio::time::{sleep, timeout};

use crate::cluster::ORDERS;
use crate::cluster::endpoint::{MACHINE, SPA, WEB};
use crate::server::Server;
use crate::site::{Client, HOST, Site};
use crate::skip::skip;
use crate::stores::on_both;

#[tokio::test]
async fn f10_without_a_store_nothing_is_given_out_that_has_to_be_remembered() -> Result<()> {
    let name = "outages::f10_without_a_store_nothing_is_given_out_that_has_to_be_remembered";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let (web, ask) = (site.client(WEB), site.ask(WEB));
        let mut browser = site.browser();
        let code = browser.authorize(&ask, "ada").await.code();
        let refresh = site.refresh_token(WEB, ORDERS).await;
        let token = site
            .tokens(WEB, ORDERS, "openid")
            .await
            .text("access_token");
        let mut other = site.browser();
        let page = other.get(&ask.target()).await.good();
        opened.store.close().await;

        for reply in [
            site.redeem(&web, &ask, &code).await,
            site.refresh(&web, &refresh).await,
            site.post(
                HOST,
                "/oauth/revoke",
                &[web.shown(), vec![("token", &refresh)]].concat(),
            )
            .await,
        ] {
            reply.refused(503, "temporarily_unavailable", "");
            assert_eq!(reply.header("retry-after"), "5");
        }
        let reply = browser.get(&ask.target()).await;
        reply.failed(503, "unavailable");
        let reply = other.sign_in(&page, "ada", "correct horse").await;
        reply.failed(503, "unavailable");
        without_memory(&site, &token).await;

        // It comes back, and nothing is half done.
        let store = opened.again().await?;
        let site = Site::over(Arc::clone(&store));
        site.redeem(&web, &ask, &code).await.good();
        site.refresh(&web, &refresh).await.good();
        store.close().await;
        Ok(())
    })
    .await
}

/// What needs no memory goes on.
async fn without_memory(site: &Site, token: &str) {
    site.userinfo(HOST, token).await.good();
    let machine = site.client(MACHINE);
    let own = vec![("grant_type", "client_credentials"), ("audience", ORDERS)];
    site.token(&[machine.shown(), own].concat()).await.good();
    site.browser().get(&site.ask(SPA).target()).await.good();
    for document in ["jwks.json", "openid-configuration"] {
        let path = format!("/.well-known/{document}");
        site.browser().get(&path).await.good();
    }
}

/// What an application sent, and how that went.
#[derive(Default)]
struct Told {
    /// Codes and refresh tokens that it got an answer for.
    used: Vec<(bool, String)>,
    /// One that it was told about that nothing is known.
    unclear: Option<(bool, String)>,
}

/// Redeems the codes and refreshes, until it is refused for want of a store.
async fn traffic(site: &Site, web: &Client, codes: Vec<String>, done: &AtomicUsize) -> Told {
    let (mut told, ask) = (Told::default(), site.ask(WEB).with("scope", SCOPE));
    for code in codes {
        let mut reply = site.redeem(web, &ask, &code).await;
        let mut shown = (true, code);
        for _ in 0..4 {
            if reply.status != 200 {
                reply.refused(503, "temporarily_unavailable", "");
                assert_eq!(reply.header("retry-after"), "5");
                told.unclear = Some(shown);
                return told;
            }
            let next = reply.text("refresh_token");
            told.used.push(shown);
            done.fetch_add(1, Ordering::Relaxed);
            reply = site.refresh(web, &next).await;
            shown = (false, next);
        }
    }
    panic!("the database was not killed in time");
}

const SCOPE: &str = "openid offline_access";

const KILLED: &str =
    "outages::f11_nothing_that_was_used_before_a_database_was_killed_is_good_afterwards";

#[tokio::test]
async fn f11_nothing_that_was_used_before_a_database_was_killed_is_good_afterwards() -> Result<()> {
    let mut server = match Server::own().await? {
        Ok(server) => server,
        Err(reason) => return skip(KILLED, &reason),
    };
    let store = open(&server.database().await?.parse()?).await?;
    let site = Site::over(Arc::clone(&store));
    let (web, ask) = (site.client(WEB), site.ask(WEB).with("scope", SCOPE));
    let token = site.tokens(WEB, ORDERS, "openid").await;
    let token = token.text("access_token");
    let mut browser = site.browser();
    let mut codes = Vec::new();
    for _ in 0..200 {
        codes.push(browser.authorize(&ask, "ada").await.code());
    }
    let (done, mut shares) = (AtomicUsize::new(0), Vec::new());
    for share in codes.chunks(50) {
        shares.push(traffic(&site, &web, share.to_vec(), &done));
    }
    let busy = async {
        while done.load(Ordering::Relaxed) < 40 {
            sleep(Duration::from_millis(1)).await;
        }
        server.kill().await
    };
    let [a, b, c, d] = shares.try_into().ok().unwrap();
    let (a, b, c, d, killed) = tokio::join!(a, b, c, d, busy);
    killed?;
    without_memory(&site, &token).await;
    browser.get(&ask.target()).await.failed(503, "unavailable");

    server.run().await?;
    let again = async |(is_code, shown): &(bool, String)| {
        if *is_code {
            site.redeem(&web, &ask, shown).await
        } else {
            site.refresh(&web, shown).await
        }
    };
    // By itself, and at the first that asks once the database is there.
    let back = async {
        while browser.get(&ask.target()).await.status != 302 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_mins(1), back).await?;
    for told in [a, b, c, d] {
        if let Some(unclear) = told.unclear {
            // Nobody knows whether it was used; for the second time it certainly is.
            let first = again(&unclear).await;
            assert!(matches!(first.status, 200 | 403), "{first:?}");
            again(&unclear).await.refused(403, "invalid_grant", "");
        }
        for used in &told.used {
            again(used).await.refused(403, "invalid_grant", "");
        }
    }
    store.close().await;
    Ok(())
}
