//! How an answer comes back: query, fragment, form post, message to a page.

use anyhow::Result;
use serde_json::{Value, json};

use crate::cluster::endpoint::{NATIVE, SPA, WEB};
use crate::reply::Reply;
use crate::site::Site;
use crate::stores::on_both;

#[tokio::test]
async fn by_query_and_by_fragment() -> Result<()> {
    on_both("modes::by_query_and_by_fragment", async |opened| {
        let site = Site::on(opened);
        for (mode, mark) in [("", '?'), ("query", '?'), ("fragment", '#')] {
            let ask = site.ask(WEB).with("response_mode", mode);
            let mut browser = site.browser();
            let page = browser.get(&ask.target()).await.good();
            let reply = browser.sign_in(&page, "ada", "correct horse").await;
            assert!(
                reply
                    .location()
                    .starts_with(&format!("https://web.test/callback{mark}code="))
            );
            // By GET it is 302, as at Auth0, and after a form 303.
            assert_eq!(reply.status, 302);
            let wrong = ask.with("response_type", "token");
            let reply = browser.get(&wrong.target()).await;
            reply.misused("unsupported_response_type", "");
            assert!(
                reply
                    .location()
                    .starts_with(&format!("https://web.test/callback{mark}error="))
            );
            let reply = browser.post("/authorize", &pairs(&wrong.encoded())).await;
            assert_eq!(reply.status, 303);
        }
        Ok(())
    })
    .await
}

fn pairs(encoded: &str) -> Vec<(&str, &str)> {
    // None of these has anything that would have to be decoded, but the address.
    encoded
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| match name {
            "redirect_uri" => (name, "https://web.test/callback"),
            _ => (name, value),
        })
        .collect()
}

#[tokio::test]
async fn by_a_form_that_posts_itself() -> Result<()> {
    on_both("modes::by_a_form_that_posts_itself", async |opened| {
        let site = Site::on(opened);
        let ask = site.ask(WEB).with("response_mode", "form_post");
        let ask = ask.with("state", "\"><script>alert(1)</script>");
        let page = site.browser().authorize(&ask, "ada").await.good();
        let form = page.form();
        assert_eq!(form.action, "https://web.test/callback");
        let names: Vec<_> = form.hidden.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["code", "state", "iss"]);
        assert_eq!(form.hidden[1].1, ask.get("state"));
        assert_eq!(form.hidden[2].1, "https://acme.test/");
        let policy = page.header("content-security-policy");
        assert!(policy.contains("form-action https:;"), "{policy}");
        assert!(policy.contains("script-src 'nonce-"), "{policy}");
        assert_eq!(page.body.matches("<script").count(), 1, "{page:?}");
        site.redeem(&site.client(WEB), &ask, &form.hidden[0].1)
            .await
            .good();
        // Nothing is posted to an app's own scheme, so nobody signs in for that.
        let ask = site.ask(NATIVE).with("response_mode", "form_post");
        let reply = site.browser().get(&ask.target()).await;
        assert!(
            reply
                .location()
                .starts_with("com.acme.app:/callback?error=")
        );
        let text = "response_mode=form_post needs a redirect_uri of a web page";
        reply.misused("invalid_request", text);
        Ok(())
    })
    .await
}

/// From its callback an application may send the browser on to anywhere, to which Chromium holds the form before it as well.
#[tokio::test]
async fn a_form_may_lead_wherever_the_application_goes_on_to() -> Result<()> {
    let name = "modes::a_form_may_lead_wherever_the_application_goes_on_to";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        for (at, redirect, sources) in [
            (WEB, "https://web.test/callback", "'self' https:"),
            (NATIVE, "http://127.0.0.1:4711/callback", "'self' http:"),
            (NATIVE, "com.acme.app:/callback", "'self' com.acme.app:"),
        ] {
            let ask = site.ask(at).with("redirect_uri", redirect);
            let ask = ask.with("prompt", "consent");
            let mut browser = site.browser();
            let page = browser.get(&ask.target()).await.good();
            let consent = browser.sign_in(&page, "ada", "correct horse").await;
            assert!(consent.asks_for_consent());
            for page in [page, consent] {
                let policy = page.header("content-security-policy");
                let expected = format!("; form-action {sources}; ");
                assert!(policy.contains(&expected), "{policy}");
            }
        }
        Ok(())
    })
    .await
}

/// What a page tells the one that waits for it.
fn message(page: &Reply) -> Value {
    let (_, rest) = page.body.split_once("id=\"answer\">").unwrap();
    serde_json::from_str(rest.split("</script>").next().unwrap()).unwrap()
}

#[tokio::test]
async fn by_a_message_to_a_page_of_the_applications_own() -> Result<()> {
    on_both(
        "modes::by_a_message_to_a_page_of_the_applications_own",
        async |opened| {
            let site = Site::on(opened);
            let ask = site
                .ask(SPA)
                .with("response_mode", "web_message")
                .with("prompt", "none");
            let ask = ask.with("state", "</script><script>alert(1)</script>");
            let mut browser = site.browser();
            let page = browser.get(&ask.target()).await.good();
            let told = message(&page);
            assert_eq!(told["target"], "https://spa.test");
            assert_eq!(told["message"]["type"], "authorization_response");
            let answer = &told["message"]["response"];
            let expected = json!({
                "error": "login_required", "error_description": "Login required",
                "state": ask.get("state"), "iss": "https://acme.test/",
            });
            assert_eq!(*answer, expected);
            assert_eq!(page.body.matches("<script").count(), 2, "{page:?}");
            let policy = page.header("content-security-policy");
            assert!(
                policy.contains("frame-ancestors https://spa.test;"),
                "{policy}"
            );
            assert_eq!(
                page.header("x-frame-options"),
                "",
                "older browsers know no list"
            );

            browser.authorize(&site.ask(SPA), "ada").await.code();
            let page = browser.get(&ask.target()).await.good();
            let code = message(&page)["message"]["response"]["code"]
                .as_str()
                .unwrap()
                .to_owned();
            site.redeem(&site.client(SPA), &ask, &code).await.good();
            Ok(())
        },
    )
    .await
}

/// A page that is not one of the application's gets no message, and cannot frame the one that would send it.
#[tokio::test]
async fn attack_20_no_message_goes_to_a_page_of_others() -> Result<()> {
    on_both(
        "modes::attack_20_no_message_goes_to_a_page_of_others",
        async |opened| {
            let site = Site::on(opened);
            let ask = site
                .ask(SPA)
                .with("response_mode", "web_message")
                .with("prompt", "none");
            let mut browser = site.browser();
            browser.get(&ask.target()).await.good();
            site.edit_application(SPA, |spa| {
                spa.web_origins = vec!["https://spa.test:8443".into()];
            });
            let reply = browser.get(&ask.target()).await;
            reply.failed(400, "request-wrong");
            assert!(
                reply
                    .header("content-security-policy")
                    .contains("frame-ancestors 'none'")
            );
            let native = site.ask(NATIVE).with("response_mode", "web_message");
            browser
                .get(&native.target())
                .await
                .failed(400, "request-wrong");
            Ok(())
        },
    )
    .await
}
