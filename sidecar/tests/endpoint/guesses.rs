//! Guessing: passwords, and who has an account.

use anyhow::Result;
use tokio::task::JoinSet;

use crate::ask::Ask;
use crate::browser::Browser;
use crate::cluster::NOW;
use crate::cluster::endpoint::WEB;
use crate::reply::Reply;
use crate::site::{HOST, Site, post};
use crate::stores::on_both;

/// A browser at an address.
fn at<'a>(site: &'a Site, peer: &str) -> Browser<'a> {
    let mut browser = site.browser();
    browser.peer = Some(peer.parse().unwrap());
    browser
}

async fn try_once(browser: &mut Browser<'_>, ask: &Ask, user: &str, password: &str) -> Reply {
    let page = browser.get(&ask.target()).await.good();
    browser.sign_in(&page, user, password).await
}

/// Asserts the page that says when to come back.
fn assert_too_many(page: &Reply, seconds: &str) {
    assert_eq!(page.status, 429, "{page:?}");
    assert_eq!(page.header("retry-after"), seconds, "{page:?}");
    assert!(
        page.body.contains("Too many attempts. Try again in"),
        "{page:?}"
    );
    assert!(page.asks_to_sign_in());
}

#[tokio::test]
async fn ten_wrong_passwords_are_enough_for_a_while() -> Result<()> {
    on_both(
        "guesses::ten_wrong_passwords_are_enough_for_a_while",
        async |opened| {
            let site = Site::on(opened);
            let ask = site.ask(WEB);
            let mut eve = at(&site, "192.0.2.1");
            for user in ["ada", "nobody"] {
                for _ in 0..10 {
                    assert_eq!(try_once(&mut eve, &ask, user, "wrong").await.status, 400);
                }
                // The right one is not looked at any more, and names in other letters are the same.
                let page = try_once(&mut eve, &ask, user, "correct horse").await;
                assert_too_many(&page, "300");
                let page = try_once(&mut eve, &ask, &user.to_uppercase(), "x").await;
                assert_too_many(&page, "300");
            }
            try_once(&mut at(&site, "192.0.2.2"), &ask, "ada", "correct horse")
                .await
                .code();
            try_once(&mut eve, &ask, "bob", "correct horse")
                .await
                .code();
            site.clock.set(NOW + 299);
            assert_too_many(
                &try_once(&mut eve, &ask.clone().with("prompt", "login"), "ada", "x").await,
                "1",
            );
            site.clock.set(NOW + 300);
            try_once(
                &mut eve,
                &ask.with("prompt", "login"),
                "ada",
                "correct horse",
            )
            .await
            .code();
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn guesses_that_come_at_once_are_counted_like_others() -> Result<()> {
    on_both(
        "guesses::guesses_that_come_at_once_are_counted_like_others",
        async |opened| {
            let site = Site::on(opened);
            let peer = "192.0.2.1".parse()?;
            let mut eve = at(&site, "192.0.2.1");
            let page = eve.get(&site.ask(WEB).target()).await.good();
            let state = &page.form().hidden[0].1;
            let cookie = format!(
                "__Host-mintage-browser={}",
                eve.cookie("__Host-mintage-browser")
            );
            let mut asked = JoinSet::new();
            for number in 0..64 {
                let password = number.to_string();
                let form = [
                    ("state", &**state),
                    ("username", "ada"),
                    ("password", &password),
                ];
                let mut request = post(HOST, "/u/login", &form);
                request.headers_mut().insert("cookie", cookie.parse()?);
                asked.spawn(site.send(request, Some(peer)));
            }
            let replies = asked.join_all().await;
            let tried = replies.iter().filter(|reply| reply.status == 400).count();
            let put_off = replies.iter().filter(|reply| reply.status == 429).count();
            assert_eq!((tried, put_off), (10, 54));
            Ok(())
        },
    )
    .await
}

/// Behind a proxy it is the client's address that counts, and only as the proxy says it.
#[tokio::test]
async fn a_client_cannot_say_that_it_is_another_address() -> Result<()> {
    on_both(
        "guesses::a_client_cannot_say_that_it_is_another_address",
        async |opened| {
            let site = Site::on(opened);
            let ask = site.ask(WEB);
            let ways: [fn(usize) -> Vec<String>; 3] = [
                |number| vec![format!("198.51.100.{number}, 192.0.2.1")],
                // Some proxies add a line of their own below the client's.
                |number| vec![format!("198.51.100.{number}"), "192.0.2.1".into()],
                |number| vec![format!("198.51.100.{number}"), "192.0.2.1, 10.0.0.9".into()],
            ];
            for (user, lines) in ["ada", "bob", "dora"].iter().zip(ways) {
                let mut last = 0;
                for number in 0..=10 {
                    let mut eve = at(&site, "10.0.0.1");
                    eve.headers = lines(number)
                        .into_iter()
                        .map(|line| ("x-forwarded-for", line))
                        .collect();
                    last = try_once(&mut eve, &ask, user, "wrong").await.status;
                }
                assert_eq!(last, 429, "{user}");
            }
            // Who comes without a proxy says nothing at all about it.
            for number in 0..=10 {
                let mut eve = at(&site, "203.0.113.1");
                eve.headers = vec![("x-forwarded-for", format!("198.51.100.{number}"))];
                let reply = try_once(&mut eve, &ask, "carol", "wrong").await;
                assert_eq!(reply.status, if number < 10 { 400 } else { 429 });
            }
            // And the client behind the proxy is not its neighbour.
            let mut ada = at(&site, "10.0.0.1");
            ada.headers = vec![("x-forwarded-for", "192.0.2.7".into())];
            try_once(&mut ada, &ask, "ada", "correct horse")
                .await
                .code();
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn nobody_learns_who_has_an_account() -> Result<()> {
    on_both(
        "guesses::nobody_learns_who_has_an_account",
        async |opened| {
            let site = Site::on(opened);
            site.edit(|_, accounts| {
                let mut carol = accounts["bob"].clone();
                carol["blocked"] = true.into();
                carol["profile"]["email"] = "carol@acme.test".into();
                accounts.insert("carol".into(), carol);
            });
            let ask = site.ask(WEB);
            // What is different for each page and each name, made the same.
            let shown = async |user: &str, password: &str| {
                let mut browser = site.browser();
                let page = browser.get(&ask.target()).await.good();
                let reply = browser.sign_in(&page, user, password).await;
                let policy = reply.header("content-security-policy").to_owned();
                let (_, nonce) = policy.split_once("'nonce-").unwrap();
                let nonce = nonce.split('\'').next().unwrap();
                // A page writes some characters of it otherwise.
                let in_page = nonce.replace('/', "&#x2f;");
                let mut text = format!("{} {policy}\n{}", reply.status, reply.body);
                for (part, name) in [
                    (reply.form().hidden[0].1.as_str(), "state"),
                    (&in_page, "nonce"),
                    (nonce, "nonce"),
                    (user, "user"),
                ] {
                    text = text.replace(part, name);
                }
                text
            };
            let wrong = shown("ada", "wrong").await;
            assert!(wrong.contains("Wrong email or password."), "{wrong}");
            for (user, password) in [
                ("nobody@acme.test", "wrong"),
                ("ada@acme.test", "wrong"),
                ("carol", "wrong"),
                ("bob", "Correct horse"),
            ] {
                assert_eq!(shown(user, password).await, wrong, "{user}");
            }
            Ok(())
        },
    )
    .await
}
