//! What forms and keys do.

use anyhow::{Result, ensure};
use mintage_tests::browser::{Browser, Options, Programs};
use mintage_tests::dev::eventually;
use mintage_tests::skip;
use thirtyfour::{By, Key};

use crate::server::Server;

async fn start(programs: &Programs) -> Result<(Server, Browser)> {
    let server = Server::start().await?;
    Ok((server, Browser::start(programs, &Options::default()).await?))
}

#[tokio::test]
async fn a_form_gets_to_the_application_and_nowhere_else() -> Result<()> {
    let programs = match Programs::find()? {
        Ok(programs) => programs,
        Err(reason) => {
            let name = "flow::a_form_gets_to_the_application_and_nowhere_else";
            return skip::skip(name, &reason);
        }
    };
    let (server, browser) = start(&programs).await?;
    for (page, arrives) in [("sign-in", true), ("sign-in-lost", false)] {
        browser.open(&server.page(page)).await?;
        // As a person does who uses no mouse: the first field has the focus, and Enter sends.
        browser.press("ada").await?;
        browser.press(Key::Tab).await?;
        browser.press("secret").await?;
        browser.press(Key::Enter).await?;
        if arrives {
            eventually("the application is reached", async || {
                let there = browser.driver().title().await? == "landed";
                Ok(there.then_some(()))
            })
            .await?;
            let url = browser.driver().current_url().await?;
            ensure!(url.as_str() == server.url("desk", "/landed"), "{url}");
        } else {
            let told = eventually("the policy is said to be violated", async || {
                let complaints = browser.complaints().await?.join("\n");
                Ok(complaints.contains("form-action").then_some(complaints))
            })
            .await?;
            ensure!(told.contains("form-action 'self'"), "{told}");
            ensure!(browser.driver().title().await? != "landed");
        }
    }
    browser.quit().await
}

/// A provider may lead over any number of hosts, which no policy lists: its button is a link.
#[tokio::test]
async fn a_provider_is_reached_whatever_forms_may_lead_to() -> Result<()> {
    let programs = match Programs::find()? {
        Ok(programs) => programs,
        Err(reason) => {
            let name = "flow::a_provider_is_reached_whatever_forms_may_lead_to";
            return skip::skip(name, &reason);
        }
    };
    let (server, browser) = start(&programs).await?;
    for page in ["sign-in-providers", "sign-in-lost"] {
        browser.open(&server.page(page)).await?;
        let link = By::LinkText("Continue with Google");
        browser.driver().find(link).await?.click().await?;
        eventually("the provider is reached", async || {
            let there = browser.driver().title().await? == "landed";
            Ok(there.then_some(()))
        })
        .await?;
        let complaints = browser.complaints().await?;
        ensure!(complaints.is_empty(), "{page}: {complaints:?}");
    }
    browser.quit().await
}

#[tokio::test]
async fn the_keyboard_goes_through_a_page_in_its_order() -> Result<()> {
    let programs = match Programs::find()? {
        Ok(programs) => programs,
        Err(reason) => {
            let name = "flow::the_keyboard_goes_through_a_page_in_its_order";
            return skip::skip(name, &reason);
        }
    };
    let (server, browser) = start(&programs).await?;
    for (page, expected) in [
        (
            "sign-in",
            &[
                "username",
                "password",
                "Sign in",
                "Continue with Google",
                "Continue with Acme’s own directory",
                "Get help",
            ][..],
        ),
        ("sign-in-wrong", &["password", "Sign in"]),
        ("consent", &["", "Decline", "Allow", "Get help"]),
        (
            "sign-out",
            &["", "Stay signed in", "Sign out", "Sign out on all devices"],
        ),
    ] {
        browser.open(&server.page(page)).await?;
        let mut focused = browser.driver().active_element().await?;
        for (place, expected) in expected.iter().enumerate() {
            if place > 0 {
                focused = browser.press(Key::Tab).await?;
            }
            let name = match focused.tag_name().await?.as_str() {
                "body" => String::new(),
                "input" => focused.attr("name").await?.unwrap_or_default(),
                _ => focused.text().await?,
            };
            ensure!(
                name == *expected,
                "{page}, {place}: {name:?} is not {expected:?}"
            );
            if place > 0 {
                let width = "return getComputedStyle(document.activeElement).outlineWidth";
                let width = browser.run(width).await?;
                ensure!(
                    width != "0px",
                    "{page}: nobody sees that {name} has the focus"
                );
            }
        }
    }
    browser.quit().await
}

#[tokio::test]
async fn a_double_click_that_began_elsewhere_allows_nothing() -> Result<()> {
    let programs = match Programs::find()? {
        Ok(programs) => programs,
        Err(reason) => {
            let name = "flow::a_double_click_that_began_elsewhere_allows_nothing";
            return skip::skip(name, &reason);
        }
    };
    let (server, browser) = start(&programs).await?;
    browser.open(&server.page("consent")).await?;
    // Anew and held, so that it does not matter how long the page was there.
    let script = "
        const allow = document.querySelector('.guarded');
        allow.style.animation = 'none';
        allow.getBoundingClientRect();
        allow.style.animation = '';
        const [animation] = allow.getAnimations();
        animation.pause();
        return [100, 499, 501].map((time) => {
          animation.currentTime = time;
          return getComputedStyle(allow).pointerEvents;
        });";
    let events = browser.run(script).await?;
    ensure!(
        events == serde_json::json!(["none", "none", "auto"]),
        "{events}"
    );
    browser.quit().await
}
