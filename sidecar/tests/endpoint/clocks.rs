//! Faults F4 and F15: a clock that steps, and an answer that was lost.

use anyhow::Result;
use mintage_core::LEEWAY;

use crate::cluster::endpoint::{REFRESH, WEB};
use crate::cluster::{NOW, ORDERS};
use crate::site::{HOST, Site};
use crate::stores::on_both;

const INVALID: &str = "Unknown or invalid refresh token.";

#[tokio::test]
async fn f4_what_ended_at_the_endpoint_stays_so_when_the_clock_steps_back() -> Result<()> {
    let name = "clocks::f4_what_ended_at_the_endpoint_stays_so_when_the_clock_steps_back";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let (web, ask) = (site.client(WEB), site.ask(WEB));
        for step in [300, 86_400] {
            site.clock.set(NOW);
            let mut browser = site.browser();
            // Just in time, and one second later.
            let code = browser.authorize(&ask, "ada").await.code();
            site.clock.set(NOW + 59);
            site.redeem(&web, &ask, &code).await.good();
            site.clock.set(NOW);
            let code = browser.authorize(&ask, "ada").await.code();
            site.clock.set(NOW + 60);
            let reply = site.redeem(&web, &ask, &code).await;
            reply.refused(403, "invalid_grant", "Invalid authorization code");
            for now in [NOW, NOW + 60 - step] {
                site.clock.set(now);
                let reply = site.redeem(&web, &ask, &code).await;
                reply.refused(403, "invalid_grant", "Invalid authorization code");
            }

            site.clock.set(NOW);
            let token = site.refresh_token(WEB, ORDERS).await;
            site.clock.set(NOW + REFRESH.idle - 1);
            let token = site
                .refresh(&web, &token)
                .await
                .good()
                .text("refresh_token");
            site.clock.set(NOW + REFRESH.idle - 1 + REFRESH.idle);
            site.refresh(&web, &token)
                .await
                .refused(403, "invalid_grant", INVALID);
            for now in [NOW + REFRESH.idle, NOW, NOW - step] {
                site.clock.set(now);
                site.refresh(&web, &token)
                    .await
                    .refused(403, "invalid_grant", INVALID);
            }
        }
        Ok(())
    })
    .await
}

/// What ended while nobody came for it: nothing marked it then.
#[tokio::test]
async fn f4_what_ended_unseen_stays_so_when_the_clock_steps_back() -> Result<()> {
    let name = "clocks::f4_what_ended_unseen_stays_so_when_the_clock_steps_back";
    on_both(name, async |opened| {
        let end = NOW + REFRESH.idle;
        for step in [300, 86_400] {
            let site = Site::on(opened);
            let (web, ask) = (site.client(WEB), site.ask(WEB));
            let give = async || site.browser().authorize(&ask, "ada").await.code();
            let unused = site.refresh_token(WEB, ORDERS).await;
            site.clock.set(end - 100);
            let (code, token) = (give().await, site.refresh_token(WEB, ORDERS).await);
            let mut ada = site.browser();
            ada.authorize(&ask, "ada").await.code();
            // Somebody else's visit shows what time it is.
            site.clock.set(end - 50 + step);
            let of_later = give().await;
            site.clock.set(end - 50);
            for code in [&code, &of_later] {
                let reply = site.redeem(&web, &ask, code).await;
                reply.refused(403, "invalid_grant", "Invalid authorization code");
            }
            site.refresh(&web, &unused)
                .await
                .refused(403, "invalid_grant", INVALID);
            // What had not ended goes on.
            site.refresh(&web, &token).await.good();
            ada.authorize(&ask, "ada").await.code();
            site.redeem(&web, &ask, &give().await).await.good();
        }
        Ok(())
    })
    .await
}

/// Clocks are set by a few seconds now and then.
#[tokio::test]
async fn f4_a_small_step_takes_nothing_from_anybody() -> Result<()> {
    on_both(
        "clocks::f4_a_small_step_takes_nothing_from_anybody",
        async |opened| {
            let site = Site::on(opened);
            let (web, ask) = (site.client(WEB), site.ask(WEB));
            site.clock.set(NOW + LEEWAY);
            let code = site.browser().authorize(&ask, "ada").await.code();
            site.clock.set(NOW);
            site.redeem(&web, &ask, &code).await.good();
            Ok(())
        },
    )
    .await
}

/// A session of a time that is to come is as old as anybody likes, so it is not taken for a young one.
#[tokio::test]
async fn f4_max_age_is_not_met_by_a_sign_in_of_a_time_to_come() -> Result<()> {
    let name = "clocks::f4_max_age_is_not_met_by_a_sign_in_of_a_time_to_come";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let ask = site.ask(WEB).with("max_age", "300");
        let mut browser = site.browser();
        site.clock.set(NOW + 7200);
        browser.authorize(&ask, "ada").await.code();
        site.clock.set(NOW + 7200 - LEEWAY);
        browser.get(&ask.target()).await.code();
        site.clock.set(NOW + 7199 - LEEWAY);
        assert!(browser.get(&ask.target()).await.asks_to_sign_in());
        let silent = ask.clone().with("prompt", "none");
        browser
            .get(&silent.target())
            .await
            .misused("login_required", "Login required");
        browser.get(&ask.without("max_age").target()).await.code();
        Ok(())
    })
    .await
}

/// However much it is used, a family ends: rotation does not lengthen its life.
#[tokio::test]
async fn a_refresh_token_ends_however_much_it_is_used() -> Result<()> {
    on_both(
        "clocks::a_refresh_token_ends_however_much_it_is_used",
        async |opened| {
            let site = Site::on(opened);
            let web = site.client(WEB);
            let mut token = site.refresh_token(WEB, ORDERS).await;
            for now in [
                NOW + REFRESH.idle - 1,
                NOW + 2 * REFRESH.idle - 2,
                NOW + REFRESH.lifetime - 1,
            ] {
                site.clock.set(now);
                token = site
                    .refresh(&web, &token)
                    .await
                    .good()
                    .text("refresh_token");
            }
            site.clock.set(NOW + REFRESH.lifetime);
            site.refresh(&web, &token)
                .await
                .refused(403, "invalid_grant", INVALID);
            Ok(())
        },
    )
    .await
}

/// Tokens hold for their life and for as much as two clocks differ, and are not from the future.
#[tokio::test]
async fn f4_a_token_is_neither_older_nor_younger_than_clocks_differ() -> Result<()> {
    let name = "clocks::f4_a_token_is_neither_older_nor_younger_than_clocks_differ";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        // The keys are older than the tokens.
        let then = NOW + 1000;
        site.clock.set(then);
        let jwt = site
            .tokens(WEB, ORDERS, "openid")
            .await
            .text("access_token");
        let opaque = site.tokens(WEB, "", "openid").await.text("access_token");
        let day = 86_400;
        let table = [
            (-300, 401, 401),
            (-LEEWAY - 1, 401, 401),
            (-LEEWAY, 200, 200),
            (0, 200, 200),
            (day - 1, 200, 200),
            // The endpoint wrote the opaque one itself, so no other clock is in it.
            (day, 200, 401),
            (day + LEEWAY - 1, 200, 401),
            (day + LEEWAY, 401, 401),
            (2 * day, 401, 401),
        ];
        for (later, of_jwt, of_opaque) in table {
            site.clock.set(then + later);
            let found = (
                site.userinfo(HOST, &jwt).await.status,
                site.userinfo(HOST, &opaque).await.status,
            );
            assert_eq!(found, (of_jwt, of_opaque), "after {later} s");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn f15_an_application_that_lost_the_answer_asks_again_within_the_leeway() -> Result<()> {
    let name = "clocks::f15_an_application_that_lost_the_answer_asks_again_within_the_leeway";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        site.edit_application(WEB, |web| web.refresh.leeway = 30);
        let web = site.client(WEB);
        let first = site.refresh_token(WEB, ORDERS).await;
        let lost = site
            .refresh(&web, &first)
            .await
            .good()
            .text("refresh_token");
        site.clock.set(NOW + 30);
        let second = site
            .refresh(&web, &first)
            .await
            .good()
            .text("refresh_token");
        assert_ne!(lost, second);
        let third = site
            .refresh(&web, &second)
            .await
            .good()
            .text("refresh_token");
        // Only the one before is waited for: the first is two steps behind by now.
        site.refresh(&web, &first)
            .await
            .refused(403, "invalid_grant", INVALID);
        site.refresh(&web, &third)
            .await
            .refused(403, "invalid_grant", INVALID);

        let first = site.refresh_token(WEB, ORDERS).await;
        let next = site
            .refresh(&web, &first)
            .await
            .good()
            .text("refresh_token");
        site.clock.set(NOW + 61);
        site.refresh(&web, &first)
            .await
            .refused(403, "invalid_grant", INVALID);
        site.refresh(&web, &next)
            .await
            .refused(403, "invalid_grant", INVALID);
        Ok(())
    })
    .await
}
