//! Attack 24: every answer says whose it is and whose request it answers.

use anyhow::Result;

use crate::cluster::ORDERS;
use crate::cluster::endpoint::{MACHINE, SPA, WEB};
use crate::site::Site;
use crate::stores::on_both;

#[tokio::test]
async fn attack_24_every_answer_has_the_issuer_and_the_state_of_its_request() -> Result<()> {
    let name = "answers::attack_24_every_answer_has_the_issuer_and_the_state_of_its_request";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        for host in ["acme.test", "login.acme.test"] {
            let mut browser = site.browser().at(host);
            let state = "a b&iss=https://evil.test/&code=x";
            let ask = site.ask(WEB).with("state", state);
            let silent = site.ask(SPA).with("state", state).with("prompt", "none");
            let wrong = ask.clone().with("response_type", "token");
            let given = browser.authorize(&ask, "ada").await;
            assert!(!given.said("code").is_empty());
            for reply in [
                given,
                browser.get(&silent.target()).await,
                browser.get(&wrong.target()).await,
            ] {
                assert_eq!(reply.said("state"), state, "{reply:?}");
                assert_eq!(reply.said("iss"), format!("https://{host}/"));
                assert_eq!(reply.location().matches("iss=").count(), 1, "{reply:?}");
                assert_eq!(reply.header("cache-control"), "no-store");
                assert_eq!(reply.header("referrer-policy"), "no-referrer");
            }
            let without = browser.get(&ask.without("state").target()).await;
            assert!(!without.answer().contains_key("state"));
        }
        Ok(())
    })
    .await
}

/// Parameters that the address has already stay, and hide none of the answer's.
#[tokio::test]
async fn attack_24_the_answer_stands_beside_the_addresss_own_parameters() -> Result<()> {
    let name = "answers::attack_24_the_answer_stands_beside_the_addresss_own_parameters";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let place = "https://web.test/callback?tenant=1";
        site.edit_application(WEB, |web| web.redirect_uris = vec![place.into()]);
        let reply = site.browser().authorize(&site.ask(WEB), "ada").await;
        assert!(reply.location().starts_with(&format!("{place}&code=")));
        assert_eq!(reply.said("tenant"), "1");
        assert_eq!(reply.said("iss"), "https://acme.test/");
        Ok(())
    })
    .await
}

/// RFC 6749 section 4.1.2.1: printable ASCII without quotes and backslashes.
#[tokio::test]
async fn a_description_has_no_character_that_it_may_not_have() -> Result<()> {
    let name = "answers::a_description_has_no_character_that_it_may_not_have";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let odd = "a\"client-grant\"b\\c\u{e4}\u{202e}";
        let may = |c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
        for parameter in [
            "audience",
            "code_challenge",
            "connection",
            "prompt",
            "response_mode",
            "response_type",
            "scope",
        ] {
            let ask = site.ask(WEB).with(parameter, odd);
            let reply = site.browser().get(&ask.target()).await;
            let description = reply.said("error_description");
            assert!(!description.is_empty(), "{parameter}: {reply:?}");
            assert!(description.chars().all(may), "{parameter}: {description}");
        }
        let machine = site.client(MACHINE);
        for (audience, rule) in [(odd, "audience-unknown"), (ORDERS, "scope-malformed")] {
            let form = [
                ("grant_type", "client_credentials"),
                ("scope", odd),
                ("audience", audience),
            ];
            let reply = site.token(&[machine.shown(), form.to_vec()].concat()).await;
            let description = reply.text("error_description");
            assert!(description.contains(rule), "{description}");
            assert!(description.chars().all(may), "{description}");
        }
        Ok(())
    })
    .await
}
