//! Attack 32 (CVE-2019-8400): what a request says becomes no markup, no header and no script, and no name turns our own words.

use anyhow::Result;

use crate::cluster::ORDERS;
use crate::cluster::endpoint::{SPA, WEB};
use crate::reply::Reply;
use crate::site::Site;
use crate::stores::on_both;

const HOSTILE: [&str; 6] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' autofocus onfocus='alert(1)",
    "</title></style></script><svg onload=alert(1)>",
    "{{ 7*7 }}{% raw %}${7*7}",
    "\u{202e}javascript:alert(1)//",
];

/// Asserts that a page has no tag and no attribute of the text, runs no script and is framed by nobody.
fn assert_harmless(page: &Reply, text: &str) {
    assert!(
        page.header("content-type").starts_with("text/html"),
        "{page:?}"
    );
    // What stands in braces would be the work of a template, and its outcome is not in the text.
    for piece in ["<img src=x", "<svg", "onfocus='", "49{%", "$49"] {
        assert!(!page.body.contains(piece), "{text}: {page:?}");
    }
    assert!(!page.body.contains("<script"), "{page:?}");
    let policy = page.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; base-uri 'none'"),
        "{policy}"
    );
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(
        !policy.contains("script-src") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("x-frame-options"), "DENY");
    assert_eq!(page.header("cache-control"), "no-store");
}

#[tokio::test]
async fn attack_32_no_parameter_becomes_markup() -> Result<()> {
    on_both(
        "markup::attack_32_no_parameter_becomes_markup",
        async |opened| {
            let site = Site::on(opened);
            let parameters = [
                "client_id",
                "redirect_uri",
                "login_hint",
                "ui_locales",
                "state",
                "nonce",
                "scope",
                "audience",
                "prompt",
                "response_mode",
                "connection",
                "code_challenge",
                "display",
            ];
            let (mut pages, mut answers) = (0, 0);
            for text in HOSTILE {
                for parameter in parameters {
                    let ask = site.ask(WEB).with("audience", ORDERS).with(parameter, text);
                    let reply = site.browser().get(&ask.target()).await;
                    if matches!(reply.status, 302 | 303) {
                        answers += 1;
                        let location = reply.location();
                        assert!(
                            location.starts_with("https://web.test/callback?"),
                            "{reply:?}"
                        );
                        assert!(!location.contains(['<', '>', '"', '\'', ' ']), "{reply:?}");
                    } else {
                        pages += 1;
                        assert_harmless(&reply, text);
                    }
                }
            }
            assert!(
                pages > 20 && answers > 20,
                "{pages} pages, {answers} answers"
            );
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn attack_32_what_is_typed_and_where_one_goes_becomes_no_markup() -> Result<()> {
    let name = "markup::attack_32_what_is_typed_and_where_one_goes_becomes_no_markup";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        for text in HOSTILE {
            let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
            let mut browser = site.browser();
            let page = browser.get(&site.ask(WEB).target()).await.good();
            let again = browser.sign_in(&page, text, "x").await;
            assert!(again.asks_to_sign_in(), "{again:?}");
            assert_harmless(&again, text);
            for target in [
                format!("/v2/logout?returnTo={encoded}&client_id={encoded}"),
                format!("/oidc/logout?post_logout_redirect_uri={encoded}&state={encoded}"),
                format!("/oidc/logout?id_token_hint={encoded}"),
                format!("/u/continue?state={encoded}"),
                format!("/{encoded}"),
                format!("/nowhere?{encoded}={encoded}"),
            ] {
                let reply = browser.get(&target).await;
                assert!(reply.status >= 400, "{target}: {reply:?}");
                assert_harmless(&reply, text);
            }
            for path in ["/u/login", "/u/consent", "/u/logout"] {
                let reply = browser
                    .post(path, &[("state", text), ("decision", text)])
                    .await;
                reply.failed(400, "page-expired");
                assert_harmless(&reply, text);
            }
            browser.headers = vec![("accept-language", "de\"><script>".into())];
            let reply = browser.get(&site.ask(WEB).target()).await.good();
            assert_harmless(&reply, text);
        }
        Ok(())
    })
    .await
}

/// The names that people give are texts as well: of the application, the API, its scopes, and the user.
#[tokio::test]
async fn attack_32_no_name_becomes_markup() -> Result<()> {
    on_both("markup::attack_32_no_name_becomes_markup", async |opened| {
        let site = Site::on(opened);
        for text in HOSTILE {
            site.edit_application(SPA, |spa| spa.name = Some(text.to_owned()));
            site.edit_api(ORDERS, |api| {
                let mut about = mintage_core::world::About {
                    name: Some(text.to_owned()),
                    ..Default::default()
                };
                about.scopes.insert(api.scopes[0].clone(), text.to_owned());
                api.about = Some(std::sync::Arc::new(about));
            });
            site.edit(|_, accounts| {
                accounts.get_mut("ada").unwrap()["profile"]["email"] = text.into();
            });
            let ask = site
                .ask(SPA)
                .with("audience", ORDERS)
                .with("scope", "openid read");
            let mut browser = site.browser();
            let page = browser.get(&ask.target()).await.good();
            assert_harmless(&page, text);
            let page = browser.sign_in(&page, "ada", "correct horse").await.good();
            assert!(page.asks_for_consent(), "{page:?}");
            assert_harmless(&page, text);
        }
        Ok(())
    })
    .await
}

/// Whatever others call themselves, the warning reads as it is written; objects may be older than the schema of their names.
#[tokio::test]
async fn attack_32_no_name_turns_the_warning_around() -> Result<()> {
    let name = "markup::attack_32_no_name_turns_the_warning_around";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        site.edit(|world, _| {
            let wishes = world.tenants[0].endpoint.as_mut().unwrap();
            std::sync::Arc::make_mut(wishes).name = Some("\u{202e}emcA".to_owned());
        });
        let consent = async |called: &str, email: &str| {
            site.edit_application(SPA, |spa| spa.name = Some(called.to_owned()));
            site.edit(|_, accounts| {
                accounts.get_mut("ada").unwrap()["profile"]["email"] = email.into();
            });
            let ask = site.ask(SPA).with("audience", ORDERS);
            let mut browser = site.browser();
            let page = browser.get(&ask.target()).await.good();
            let page = browser.sign_in(&page, "ada", "correct horse").await.good();
            assert!(page.asks_for_consent(), "{page:?}");
            page.body
        };
        let body = consent(
            "\u{202e}elgooG\u{202c} \u{202e}evil",
            "\u{200f}ada@acme.test",
        )
        .await;
        assert!(
            !body.contains(['\u{202c}', '\u{202e}', '\u{200f}']),
            "{body}"
        );
        for words in [
            "<bdi>elgooG evil</bdi> is not run by <bdi>emcA</bdi>.",
            "Signed in as <strong><bdi>ada@acme.test</bdi></strong>",
        ] {
            assert!(body.contains(words), "{words}: {body}");
        }
        // One that shows nothing goes by the name of its object, and a user by the next name.
        for blank in ["   ", "\u{200b}", "\u{85}", "\u{3164}\u{202e}"] {
            let body = consent(blank, blank).await;
            let words = "<bdi>spa</bdi> is not run by";
            assert!(body.contains(words), "{blank:?}: {body}");
            let words = "Signed in as <strong><bdi>Ada";
            assert!(body.contains(words), "{blank:?}: {body}");
        }
        Ok(())
    })
    .await
}
