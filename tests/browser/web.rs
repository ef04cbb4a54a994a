//! Users of the application with a server (express-openid-connect): `examples/webapp/web`.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use mintage_tests::webapp::{HOSTS, NAME, PASSWORD};
use serde_json::Value;

use crate::shop::{Shop, Wishes};

/// `exp` of the access token that the API was asked with.
fn expiry(answer: &Value) -> Result<i64> {
    answer["token"]["exp"].as_i64().context("no exp")
}

/// Opens the sign-in page and goes through it.
async fn sign_in(shop: &Shop) -> Result<()> {
    shop.browser.open(&shop.web).await?;
    shop.click("a[href='/login']").await?;
    shop.text("h1", |text| text == "Sign in").await?;
    shop.sign_in_with(PASSWORD).await?;
    shop.text("#user", |text| text == NAME).await?;
    Ok(())
}

async fn asks_the_api(shop: &Shop) -> Result<Value> {
    shop.browser.open(&format!("{}/orders", shop.web)).await?;
    shop.json("#answer", |answer| answer["orders"][1]["id"] == 1002)
        .await
}

#[tokio::test]
async fn a_user_signs_in_calls_the_api_and_signs_out() -> Result<()> {
    for host in HOSTS {
        let wishes = Wishes {
            host,
            ..Wishes::default()
        };
        let name = "web::a_user_signs_in_calls_the_api_and_signs_out";
        let Some(shop) = Shop::open(name, wishes).await? else {
            return Ok(());
        };
        through_all_pages(&shop).await?;
        shop.browser.quit().await?;
    }
    Ok(())
}

async fn through_all_pages(shop: &Shop) -> Result<()> {
    shop.browser.open(&shop.web).await?;
    shop.text("#nobody", |text| text.contains("not signed in"))
        .await?;
    shop.click("a[href='/login']").await?;
    shop.judge("Sign in", "sign-in").await?;

    shop.sign_in_with("wrong").await?;
    let problem = shop.text("#problem", |text| !text.is_empty()).await?;
    ensure!(problem.starts_with("Wrong"), "{problem}");
    shop.judge("Sign in", "wrong-password").await?;

    // The shop is the tenant's own: nobody is asked what it may do.
    shop.sign_in_with(PASSWORD).await?;
    shop.text("#user", |text| text == NAME).await?;
    shop.keep("web").await?;

    shop.browser.open(&format!("{}/profile", shop.web)).await?;
    let claims = shop.json("#claims", Value::is_object).await?;
    let info = shop.json("#userinfo", Value::is_object).await?;
    ensure!(
        claims["iss"] == shop.issuer
            && claims["name"] == "Ada Lovelace"
            && claims["sid"].is_string(),
        "{claims}"
    );
    ensure!(
        info["sub"] == claims["sub"] && info["email"] == NAME,
        "{info}"
    );

    let answer = asks_the_api(shop).await?;
    let token = &answer["token"];
    ensure!(
        token["iss"] == shop.issuer && token["sub"] == claims["sub"],
        "{answer}"
    );
    let audience = serde_json::json!([
        "https://orders.acme.example",
        format!("{}userinfo", shop.issuer)
    ]);
    ensure!(token["aud"] == audience, "{answer}");
    shop.keep("web-orders").await?;

    let before = expiry(&answer)?;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    shop.click("form[action='/renew'] button").await?;
    shop.json("#answer", |answer| {
        answer["token"]["exp"].as_i64() > Some(before)
    })
    .await?;

    // A link alone signs nobody out: the page asks, and whoever stays is still signed in.
    shop.browser
        .open(&format!("{}oidc/logout", shop.issuer))
        .await?;
    shop.judge("Sign out of Acme?", "sign-out").await?;
    shop.click("button[value='stay']").await?;
    shop.judge("You are still signed in", "stayed").await?;
    shop.browser.open(&format!("{}/logout", shop.web)).await?;
    shop.text("#nobody", |text| text.contains("not signed in"))
        .await?;
    shop.browser.open(&format!("{}/login", shop.web)).await?;
    shop.text("h1", |text| text == "Sign in").await?;

    shop.browser
        .open(&format!("{}oidc/logout", shop.issuer))
        .await?;
    shop.judge("You are signed out", "signed-out").await?;
    let callback = shop.web.replace("localhost", "127.0.0.1");
    let client = shop.dev.application("acme", "web")?;
    let url = format!(
        "{}authorize?response_type=code&client_id={}&redirect_uri={callback}/callback",
        shop.issuer, client["CLIENT_ID"]
    );
    shop.browser.open(&url).await?;
    shop.judge("Callback URL mismatch", "callback-mismatch")
        .await
}

#[tokio::test]
async fn a_user_outlives_the_access_token() -> Result<()> {
    let wishes = Wishes {
        lifetime: 60,
        ..Wishes::default()
    };
    let name = "web::a_user_outlives_the_access_token";
    let Some(shop) = Shop::open(name, wishes).await? else {
        return Ok(());
    };
    sign_in(&shop).await?;
    let first = asks_the_api(&shop).await?;
    let how = shop.text("#how", |text| !text.is_empty()).await?;
    ensure!(how.starts_with("with the token from signing in"), "{how}");
    // The shortest life that there is.
    tokio::time::sleep(Duration::from_secs(61)).await;
    let second = asks_the_api(&shop).await?;
    let how = shop.text("#how", |text| !text.is_empty()).await?;
    ensure!(how.contains("that a refresh token brought"), "{how}");
    ensure!(expiry(&second)? >= expiry(&first)? + 60, "{first} {second}");
    shop.browser.quit().await
}
