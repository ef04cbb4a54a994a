//! Faults F10 and F11 as clients see them: a store that does not answer gives nothing out.

use anyhow::Result;

use crate::cluster::ORDERS;
use crate::cluster::endpoint::{MACHINE, SPA, WEB};
use crate::site::{HOST, Site};
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
        // What needs no memory goes on.
        site.userinfo(HOST, &token).await.good();
        let machine = site.client(MACHINE);
        let own = vec![("grant_type", "client_credentials"), ("audience", ORDERS)];
        site.token(&[machine.shown(), own].concat()).await.good();
        site.browser().get(&site.ask(SPA).target()).await.good();

        // It comes back, and nothing is half done.
        let store = opened.again().await?;
        let site = Site::over(std::sync::Arc::clone(&store));
        site.redeem(&web, &ask, &code).await.good();
        site.refresh(&web, &refresh).await.good();
        store.close().await;
        Ok(())
    })
    .await
}
