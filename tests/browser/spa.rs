//! Users of the page that signs them in by itself (auth0-spa-js): `examples/webapp/spa`.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use mintage_tests::webapp::{HOSTS, NAME, PASSWORD};
use serde_json::{Value, json};

use crate::shop::{Shop, Wishes};

/// Signs in as far as the question what the page may do.
async fn sign_in(shop: &Shop) -> Result<()> {
    shop.browser.open(&shop.spa).await?;
    shop.click("#sign-in").await?;
    shop.text("h1", |text| text == "Sign in").await?;
    shop.sign_in_with(PASSWORD).await?;
    shop.text("h1", |text| text.contains("Order Watch")).await?;
    Ok(())
}

async fn is_signed_in(shop: &Shop) -> Result<()> {
    let expected = format!("You are {NAME}.");
    shop.text("#state", |text| text == expected).await.map(drop)
}

/// Renews the access token by one of the page's buttons; what the new one says.
async fn renewed(shop: &Shop, by: &str, before: i64) -> Result<Value> {
    // Times in tokens are whole seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    shop.click(by).await?;
    let answer = shop
        .json("#answer", |answer| {
            answer["renewed"]["iat"].as_i64() > Some(before)
        })
        .await?;
    Ok(answer["renewed"].clone())
}

#[tokio::test]
async fn a_user_declines_allows_renews_and_signs_out() -> Result<()> {
    for host in HOSTS {
        let wishes = Wishes {
            host,
            ..Wishes::default()
        };
        let name = "spa::a_user_declines_allows_renews_and_signs_out";
        let Some(shop) = Shop::open(name, wishes).await? else {
            return Ok(());
        };
        through_all_pages(&shop).await?;
        shop.browser.quit().await?;
    }
    Ok(())
}

async fn through_all_pages(shop: &Shop) -> Result<()> {
    sign_in(shop).await?;
    let heading = shop.text("h1", |text| !text.is_empty()).await?;
    shop.judge(&heading, "consent").await?;
    let rights = shop.text(".rights", |text| !text.is_empty()).await?;
    ensure!(rights.contains("See your orders"), "{rights}");
    ensure!(!rights.contains("Place and cancel"), "{rights}");

    shop.click("button[value='no']").await?;
    let refusal = shop.text("#error", |text| !text.is_empty()).await?;
    ensure!(
        refusal == "access_denied: User did not authorize the request",
        "{refusal}"
    );
    shop.keep("spa-declined").await?;

    // Still signed in at the tenant, so that alone is asked again.
    shop.click("#sign-in").await?;
    shop.text("h1", |text| text == heading).await?;
    shop.click("button[value='yes']").await?;
    is_signed_in(shop).await?;
    let profile = shop.json("#profile", Value::is_object).await?;
    ensure!(
        profile["name"] == "Ada Lovelace" && profile["email"] == NAME,
        "{profile}"
    );

    shop.click("#orders").await?;
    let answer = shop
        .json("#answer", |answer| answer["status"] == 200)
        .await?;
    ensure!(
        answer["token"]["iss"] == shop.issuer
            && answer["token"]["scope"] == "openid profile email offline_access read:orders",
        "{answer}"
    );
    shop.keep("spa").await?;

    // By a refresh token the page has no need of the session; in a frame it has nothing else.
    let first = renewed(shop, "#refresh", 0).await?;
    let second = renewed(shop, "#frame", first["iat"].as_i64().context("no iat")?).await?;
    ensure!(
        first["scope"].as_str() == Some("openid profile email offline_access read:orders")
            && second["scope"] == "openid profile email read:orders",
        "{first} {second}"
    );
    ensure!(first["sub"] == second["sub"], "{first} {second}");

    // What was in memory is gone, and a frame brings it back.
    shop.browser.open(&shop.spa).await?;
    is_signed_in(shop).await?;

    shop.click("#sign-out").await?;
    shop.text("#state", |text| text == "You are not signed in.")
        .await?;
    shop.click("#sign-in").await?;
    shop.text("h1", |text| text == "Sign in").await?;
    // What was allowed once is not asked again.
    shop.sign_in_with(PASSWORD).await?;
    is_signed_in(shop).await
}

/// Asks for tokens as somebody does who found a refresh token.
async fn redeem(shop: &Shop, token: &str) -> Result<(u16, Value)> {
    let client = shop.page["CLIENT_ID"].as_str();
    let script = format!(
        "const form = new URLSearchParams({});
         return fetch('{}oauth/token', {{ method: 'POST', body: form }})
           .then(async (answer) => ({{ status: answer.status, body: await answer.json() }}))",
        json!({ "grant_type": "refresh_token", "client_id": client, "refresh_token": token }),
        shop.issuer,
    );
    let answer = shop.browser.run(&script).await?;
    let status = answer["status"].as_u64().context("no status")?;
    Ok((u16::try_from(status)?, answer["body"].clone()))
}

#[tokio::test]
async fn a_stolen_refresh_token_ends_with_its_family() -> Result<()> {
    for host in HOSTS {
        let wishes = Wishes {
            host,
            cache: "localstorage",
            ..Wishes::default()
        };
        let name = "spa::a_stolen_refresh_token_ends_with_its_family";
        let Some(shop) = Shop::open(name, wishes).await? else {
            return Ok(());
        };
        is_stolen_from(&shop).await?;
        shop.browser.quit().await?;
    }
    Ok(())
}

async fn is_stolen_from(shop: &Shop) -> Result<()> {
    sign_in(shop).await?;
    shop.click("button[value='yes']").await?;
    is_signed_in(shop).await?;
    let script = "return Object.values(localStorage).map((text) => JSON.parse(text))
        .map((entry) => entry.body?.refresh_token).find(Boolean)";
    let stolen = shop.browser.run(script).await?;
    let stolen = stolen.as_str().context("no refresh token")?;

    // The thief comes first; the page with the same token shows that there are two of them.
    let (status, answer) = redeem(shop, stolen).await?;
    ensure!(status == 200, "{answer}");
    let next = answer["refresh_token"].as_str().context("no rotation")?;
    shop.click("#refresh").await?;
    // It falls back on the session, in a frame, and the user sees nothing of it.
    shop.json("#answer", |answer| answer["renewed"]["iat"].is_i64())
        .await?;
    let (status, answer) = redeem(shop, next).await?;
    let text = answer["error_description"].as_str().unwrap_or_default();
    ensure!(
        status == 403
            && answer["error"] == "invalid_grant"
            && text.starts_with("Unknown or invalid refresh token."),
        "{status} {answer}"
    );
    let log = shop.dev.log()?;
    ensure!(log.contains("refresh-token-reused"), "{log}");
    ensure!(
        !log.contains(stolen) && !log.contains(next),
        "a token is in the log"
    );
    Ok(())
}

#[tokio::test]
async fn a_browser_that_keeps_cookies_from_frames_renews_by_refresh_token_alone() -> Result<()> {
    let wishes = Wishes {
        cookies_in_frames: false,
        ..Wishes::default()
    };
    let name = "spa::a_browser_that_keeps_cookies_from_frames_renews_by_refresh_token_alone";
    let Some(shop) = Shop::open(name, wishes).await? else {
        return Ok(());
    };
    sign_in(&shop).await?;
    shop.click("button[value='yes']").await?;
    is_signed_in(&shop).await?;
    shop.click("#frame").await?;
    let refusal = shop.text("#error", |text| !text.is_empty()).await?;
    ensure!(refusal == "login_required: Login required", "{refusal}");
    renewed(&shop, "#refresh", 0).await?;
    shop.browser.quit().await
}
