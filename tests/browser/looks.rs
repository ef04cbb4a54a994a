//! Every page in every view: axe-core finds nothing, nothing is cut off, and a picture is kept.

use anyhow::{Result, ensure};
use mintage_tests::browser::{Browser, Options, Programs, Scheme, View};
use mintage_tests::skip;
use serde_json::json;

use crate::gallery::SHOWN;
use crate::server::Server;

/// The elements that a finger has to hit, and those that are wider than the screen.
const MEASURE: &str = "
    const small = [...document.querySelectorAll('button, input:not([type=hidden]), a')]
      .filter((it) => it.checkVisibility())
      .filter((it) => { const box = it.getBoundingClientRect(); return box.height < 24 || box.width < 24 })
      .map((it) => it.outerHTML);
    const root = document.documentElement;
    return { small, wide: root.scrollWidth > root.clientWidth };";

async fn judge(browser: &Browser, name: &str, view: View) -> Result<()> {
    let what = format!("{name}-{}-{}", view.width, view.scheme.name());
    let found = browser.axe().await?;
    let path = browser.screenshot(&what).await?;
    ensure!(found.is_empty(), "{}: {found:#?}", path.display());
    let measured = browser.run(MEASURE).await?;
    let expected = json!({ "small": [], "wide": false });
    ensure!(measured == expected, "{}: {measured}", path.display());
    let complaints = browser.complaints().await?;
    let refused = |text: &String| text.contains("status of 4") || text.contains("status of 5");
    let complaints: Vec<_> = complaints.iter().filter(|text| !refused(text)).collect();
    ensure!(complaints.is_empty(), "{what}: {complaints:#?}");
    Ok(())
}

#[tokio::test]
async fn axe_finds_nothing_on_any_page() -> Result<()> {
    let programs = match Programs::find()? {
        Ok(programs) => programs,
        Err(reason) => return skip::skip("looks::axe_finds_nothing_on_any_page", &reason),
    };
    let server = Server::start().await?;
    let browser = Browser::start(&programs, &Options::default()).await?;
    for view in View::ALL {
        browser.look(view).await?;
        for name in SHOWN {
            browser.open(&server.page(name)).await?;
            judge(&browser, name, view).await?;
        }
    }
    // German words are longer; and a page that is zoomed to 400 % on a desk is 320 pixels wide (WCAG 2.2, 1.4.10).
    let narrow = View {
        width: 320,
        scheme: Scheme::Light,
    };
    browser.look(narrow).await?;
    for name in SHOWN {
        let url = server.page(name) + "?ui_locales=de";
        browser.open(&url).await?;
        judge(&browser, &format!("{name}-de"), narrow).await?;
    }
    browser.quit().await
}

/// What a name does: whether its marks stay within a block of their own, where the form begins, and where each word of ours stands.
const NAMES: &str = "
    const clips = (it) => it && (getComputedStyle(it).overflowY === 'clip' || clips(it.parentElement));
    const loose = [...document.querySelectorAll('bdi')].filter((it) => !clips(it)).map((it) => it.parentElement.outerHTML);
    const begins = document.querySelector('h1').getBoundingClientRect().top;
    // Where words are laid out as boxes, the space between them is gone.
    const apart = [...document.querySelectorAll('bdi')].filter((it) => /flex|grid/.test(getComputedStyle(it.parentElement).display));
    return { loose, begins, apart: apart.length };";

/// The warning in its own order: each word of it further on than the one before.
const WARNING: &str = "
    const warning = document.querySelector('.caution');
    const text = warning.querySelector('span').lastChild;
    const words = [...text.data.matchAll(/[a-z]+/gi)].map((it) => {
      const range = document.createRange();
      range.setStart(text, it.index);
      range.setEnd(text, it.index + it[0].length);
      const box = range.getBoundingClientRect();
      return [box.top, box.left];
    });
    return { text: warning.innerText, inOrder: words.every((it, at) => at === 0
      || it[0] > words[at - 1][0] || it[0] === words[at - 1][0] && it[1] > words[at - 1][1]) };";

/// Attack 32: names of others that turn the direction of writing, heap marks, or never break.
#[tokio::test]
async fn attack_32_no_name_covers_or_turns_what_stands_around_it() -> Result<()> {
    let test = "looks::attack_32_no_name_covers_or_turns_what_stands_around_it";
    let programs = match Programs::find()? {
        Ok(programs) => programs,
        Err(reason) => return skip::skip(test, &reason),
    };
    let server = Server::start().await?;
    let browser = Browser::start(&programs, &Options::default()).await?;
    browser
        .look(View {
            width: 360,
            scheme: Scheme::Light,
        })
        .await?;
    for name in ["sign-in-hostile", "consent-hostile", "failed-hostile"] {
        browser.open(&server.page(name)).await?;
        let found = browser.run(NAMES).await?;
        ensure!(found["loose"] == json!([]), "{name}: {found}");
        ensure!(found["apart"] == 0, "{name}: {found}");
        let begins = found["begins"].as_f64();
        ensure!(begins.is_some_and(|top| top < 200.0), "{name}: {found}");
    }
    browser.open(&server.page("consent-hostile")).await?;
    let warning = browser.run(WARNING).await?;
    ensure!(warning["inOrder"] == true, "{warning}");
    let read = warning["text"].as_str().unwrap_or_default();
    ensure!(
        read.contains("elgooG e") && read.contains("is not run by"),
        "{warning}"
    );
    browser.quit().await
}

#[tokio::test]
async fn axe_and_the_policy_do_find_what_is_wrong() -> Result<()> {
    let programs = match Programs::find()? {
        Ok(programs) => programs,
        Err(reason) => {
            return skip::skip("looks::axe_and_the_policy_do_find_what_is_wrong", &reason);
        }
    };
    let server = Server::start().await?;
    let browser = Browser::start(&programs, &Options::default()).await?;
    browser.open(&server.page("sign-in")).await?;
    let clean = browser.complaints().await?;
    ensure!(clean.is_empty(), "{clean:?}");
    browser
        .run(
            "document.querySelector('label').remove();
             document.querySelector('h1').style.color = '#eee';
             const script = document.createElement('script');
             script.textContent = 'document.title = \"attacked\"';
             document.body.append(script);",
        )
        .await?;
    let found = browser.axe().await?.join("\n");
    for rule in ["color-contrast:", "label:"] {
        ensure!(found.contains(rule), "{found}");
    }
    let complaints = browser.complaints().await?.join("\n");
    ensure!(
        complaints.contains("Content Security Policy"),
        "{complaints}"
    );
    ensure!(
        browser.driver().title().await? != "attacked",
        "the script ran"
    );
    browser.quit().await
}

#[tokio::test]
async fn a_page_speaks_the_language_of_the_browser() -> Result<()> {
    let programs = match Programs::find()? {
        Ok(programs) => programs,
        Err(reason) => {
            return skip::skip("looks::a_page_speaks_the_language_of_the_browser", &reason);
        }
    };
    let server = Server::start().await?;
    let options = Options {
        languages: Some("fr,de-AT,en".into()),
        ..Options::default()
    };
    let browser = Browser::start(&programs, &options).await?;
    browser.open(&server.page("sign-in")).await?;
    ensure!(browser.find("h1").await?.text().await? == "Anmelden");
    browser
        .open(&(server.page("sign-in") + "?ui_locales=en"))
        .await?;
    ensure!(browser.find("h1").await?.text().await? == "Sign in");
    browser.quit().await
}
