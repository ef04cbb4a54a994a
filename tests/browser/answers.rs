//! Answers that a page hands to the application: by a form, and by a message.

use anyhow::{Result, ensure};
use mintage_tests::browser::{Browser, Options, Programs, Scheme, View};
use mintage_tests::dev::eventually;
use mintage_tests::skip;
use serde_json::{Value, json};

use crate::server::Server;

/// The gallery's answer, as the application has to get it.
fn answer() -> Value {
    json!({ "code": "c-1", "state": "</script>&\"'", "iss": "https://acme.localhost/" })
}

async fn shown(browser: &Browser) -> Result<Value> {
    let text = eventually("the application shows what it got", async || {
        let shop = browser.driver().current_url().await?;
        if !shop.as_str().ends_with("/callback") {
            return Ok(None);
        }
        Ok(Some(browser.find("body").await?.text().await?))
    })
    .await?;
    Ok(serde_json::from_str(&text)?)
}

#[tokio::test]
async fn a_form_sends_itself() -> Result<()> {
    let programs = match Programs::find()? {
        Ok(programs) => programs,
        Err(reason) => return skip::skip("answers::a_form_sends_itself", &reason),
    };
    let server = Server::start().await?;
    let browser = Browser::start(&programs, &Options::default()).await?;
    browser.open(&server.page("form-post")).await?;
    let got = shown(&browser).await?;
    ensure!(got == answer(), "{got}");

    // Without scripts there is a button.
    browser.scripts(false).await?;
    browser.open(&server.page("form-post")).await?;
    browser
        .look(View {
            width: 360,
            scheme: Scheme::Light,
        })
        .await?;
    browser.screenshot("form-post-360-light").await?;
    browser.find("noscript button").await?.click().await?;
    let got = shown(&browser).await?;
    ensure!(got == answer(), "{got}");
    browser.quit().await
}

/// What the page around a frame, or the opener of a popup, was told.
async fn told(browser: &Browser) -> Result<Value> {
    eventually("the application is told", async || {
        let there = browser.driver().title().await? == "told";
        Ok(there.then_some(()))
    })
    .await?;
    browser.run("return window.told").await
}

#[tokio::test]
async fn a_message_reaches_the_application_in_a_frame_and_in_a_popup() -> Result<()> {
    let programs = match Programs::find()? {
        Ok(programs) => programs,
        Err(reason) => {
            let name = "answers::a_message_reaches_the_application_in_a_frame_and_in_a_popup";
            return skip::skip(name, &reason);
        }
    };
    let server = Server::start().await?;
    let browser = Browser::start(&programs, &Options::default()).await?;
    let expected = json!({
        "from": server.url("acme", ""),
        "data": { "type": "authorization_response", "response": answer() },
    });
    let message = server.page("web-message");
    browser
        .open(&server.url("shop", &format!("/frame?src={message}")))
        .await?;
    let got = told(&browser).await?;
    ensure!(got == expected, "{got}");

    // In the popup people sign in first, on a page that does not cut it off.
    let sign_in = server.page("sign-in") + "?popup=1";
    browser
        .open(&server.url("shop", &format!("/opener?src={sign_in}")))
        .await?;
    browser.find("button").await?.click().await?;
    let application = browser.driver().window().await?;
    let windows = eventually("the popup opens", async || {
        let windows = browser.driver().windows().await?;
        Ok((windows.len() == 2).then_some(windows))
    })
    .await?;
    for window in windows {
        if window != application {
            browser.driver().switch_to_window(window).await?;
        }
    }
    browser.find("#username").await?;
    browser.open(&message).await?;
    browser.driver().switch_to_window(application).await?;
    let got = told(&browser).await?;
    ensure!(got == expected, "{got}");
    browser.quit().await
}

#[tokio::test]
async fn a_stranger_frames_no_page_and_is_told_nothing() -> Result<()> {
    let programs = match Programs::find()? {
        Ok(programs) => programs,
        Err(reason) => {
            let name = "answers::a_stranger_frames_no_page_and_is_told_nothing";
            return skip::skip(name, &reason);
        }
    };
    let server = Server::start().await?;
    let browser = Browser::start(&programs, &Options::default()).await?;
    for (page, host) in [
        ("web-message", "evil"),
        ("sign-in", "evil"),
        ("consent", "shop"),
    ] {
        let url = server.url(host, &format!("/frame?src={}", server.page(page)));
        browser.open(&url).await?;
        let refused = eventually("the frame is refused", async || {
            let complaints = browser.complaints().await?.join("\n");
            Ok(complaints.contains("frame-ancestors").then_some(()))
        });
        refused.await?;
        ensure!(
            browser.driver().title().await? == "waits",
            "{page} at {host}"
        );
    }
    browser.quit().await
}

#[tokio::test]
async fn a_page_on_its_own_is_cut_off_from_its_opener() -> Result<()> {
    let programs = match Programs::find()? {
        Ok(programs) => programs,
        Err(reason) => {
            let name = "answers::a_page_on_its_own_is_cut_off_from_its_opener";
            return skip::skip(name, &reason);
        }
    };
    let server = Server::start().await?;
    let browser = Browser::start(&programs, &Options::default()).await?;
    for (query, closed) in [("?popup=1", false), ("", true)] {
        let page = server.page("consent") + query;
        let url = server.url("evil", &format!("/opener?src={page}"));
        browser.open(&url).await?;
        browser.find("button").await?.click().await?;
        eventually("the popup is seen as it should be", async || {
            let seen = browser.run("return popup.closed").await?;
            // It is there all the time, whatever its opener sees of it.
            let windows = browser.driver().windows().await?.len();
            Ok((seen == closed && windows == 2).then_some(()))
        })
        .await?;
    }
    browser.quit().await
}
