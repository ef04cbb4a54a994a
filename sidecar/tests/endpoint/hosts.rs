//! Attack 32: whose host it is: forwarded headers, state of another host, tenants that take over a name.

use anyhow::Result;

use crate::audit::Log;
use crate::cluster::endpoint::{GLOBEX_WEB, WEB};
use crate::cluster::{ORDERS, name};
use crate::site::{HOST, Site};
use crate::stores::on_both;

const CUSTOM: &str = "login.acme.test";

#[tokio::test]
async fn attack_32_a_forwarded_host_counts_from_a_trusted_proxy_alone() -> Result<()> {
    let name = "hosts::attack_32_a_forwarded_host_counts_from_a_trusted_proxy_alone";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let issuer = async |peer: &str, host: &str, forwarded: &[(&'static str, &str)]| {
            let mut browser = site.browser().at(host);
            browser.peer = Some(peer.parse().unwrap());
            let headers = forwarded.iter();
            browser.headers = headers
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect();
            let reply = browser.get("/.well-known/openid-configuration").await;
            if reply.status == 200 {
                reply.text("issuer")
            } else {
                reply.status.to_string()
            }
        };
        let custom = [("x-forwarded-host", CUSTOM)];
        let (trusted, stranger) = ("10.1.2.3", "192.0.2.1");
        assert_eq!(
            issuer(trusted, HOST, &custom).await,
            "https://login.acme.test/"
        );
        assert_eq!(
            issuer(trusted, "10.0.0.5:7743", &custom).await,
            "https://login.acme.test/"
        );
        assert_eq!(issuer(trusted, HOST, &[]).await, "https://acme.test/");
        assert_eq!(issuer(stranger, HOST, &custom).await, "https://acme.test/");
        assert_eq!(issuer(stranger, "10.0.0.5:7743", &custom).await, "421");
        // Globex trusts no proxy, and no proxy of acme's speaks for it.
        let globex = [("x-forwarded-host", "globex.test")];
        assert_eq!(issuer(trusted, HOST, &globex).await, "https://acme.test/");
        // What the client sent stands before what the proxy added to it, or in a line above.
        for forwarded in [
            &[("x-forwarded-host", "evil.test, login.acme.test")][..],
            &[("x-forwarded-host", "acme.test,login.acme.test:443")],
            &[("x-forwarded-host", "evil.test"), custom[0]],
        ] {
            let found = issuer(trusted, HOST, forwarded).await;
            assert_eq!(found, "https://login.acme.test/", "{forwarded:?}");
        }
        let above = [custom[0], ("x-forwarded-host", "evil.test")];
        assert_eq!(issuer(trusted, HOST, &above).await, "https://acme.test/");
        for host in [
            "acme.test:evil.test",
            "acme.test:",
            "acme.test:443:1",
            "acme.test:65536",
        ] {
            assert_eq!(issuer(stranger, host, &[]).await, "421", "{host}");
        }
        for other in [
            ("x-forwarded-host", "evil.test"),
            ("x-forwarded-host", "login.acme.test, evil.test"),
            ("x-forwarded-host", "login.acme.test@evil.test"),
            ("x-forwarded-host", "login.acme.test:@evil.test"),
            ("x-forwarded-host", "login.acme.test:x"),
            ("x-host", CUSTOM),
            ("x-original-host", CUSTOM),
            ("x-forwarded-server", CUSTOM),
            ("forwarded", "host=login.acme.test"),
        ] {
            assert_eq!(
                issuer(trusted, HOST, &[other]).await,
                "https://acme.test/",
                "{other:?}"
            );
        }
        Ok(())
    })
    .await
}

/// Some proxies write the client's port beside its address; the client counts, and not the proxy.
#[tokio::test]
async fn attack_32_the_client_of_a_trusted_proxy_is_seen_with_and_without_its_port() -> Result<()> {
    let name = "hosts::attack_32_the_client_of_a_trusted_proxy_is_seen_with_and_without_its_port";
    on_both(name, async |opened| {
        Log::listen();
        let site = Site::on(opened);
        let mut browser = site.browser();
        browser.peer = Some("10.0.0.1".parse()?);
        for (said, seen) in [
            ("203.0.113.5", "203.0.113.5"),
            ("203.0.113.5:4711", "203.0.113.5"),
            (
                "198.51.100.1:1, 203.0.113.5:4711, 10.0.0.9:80",
                "203.0.113.5",
            ),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            // What is no address says nothing, and neither does what stands before it.
            ("203.0.113.5, 203.0.113.5:x", "10.0.0.1"),
            ("203.0.113.5, unknown", "10.0.0.1"),
            ("203.0.113.5, _hidden:1", "10.0.0.1"),
        ] {
            browser.headers = vec![("x-forwarded-for", said.to_owned())];
            let reply = browser.get("/authorize?client_id=nobody").await;
            reply.failed(400, "unknown-application");
            assert_eq!(Log::lines()[0]["address"], seen, "{said}");
        }
        Ok(())
    })
    .await
}

/// Links and cookies are of the host that was asked, and no header of a stranger changes where anybody is sent.
#[tokio::test]
async fn attack_32_no_header_of_a_stranger_is_in_an_answer() -> Result<()> {
    let name = "hosts::attack_32_no_header_of_a_stranger_is_in_an_answer";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let mut browser = site.browser();
        browser.peer = Some("192.0.2.1".parse()?);
        browser.headers = [
            "x-forwarded-host",
            "x-forwarded-for",
            "x-forwarded-proto",
            "origin",
            "referer",
            "x-original-url",
            "x-rewrite-url",
        ]
        .map(|name| (name, "https://evil.test".to_owned()))
        .to_vec();
        let page = browser.get(&site.ask(WEB).target()).await.good();
        assert!(!format!("{page:?}").contains("evil.test"), "{page:?}");
        let reply = browser.sign_in(&page, "ada", "correct horse").await;
        assert!(!reply.code().is_empty() && !format!("{reply:?}").contains("evil.test"));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn attack_32_what_is_of_one_host_is_nothing_at_another() -> Result<()> {
    let name = "hosts::attack_32_what_is_of_one_host_is_nothing_at_another";
    on_both(name, async |opened| {
        let site = Site::on(opened);
        let ask = site.ask(WEB);
        let mut browser = site.browser();
        let page = browser.get(&ask.target()).await.good();
        let cookie = browser.cookie("__Host-mintage-browser");
        assert!(!cookie.is_empty());
        // The form of one host, and its cookie, at the other: both are names of one tenant.
        let mut there = site.browser().at(CUSTOM);
        there.set_cookie("__Host-mintage-browser", &cookie);
        there
            .sign_in(&page, "ada", "correct horse")
            .await
            .failed(400, "page-expired");
        browser.sign_in(&page, "ada", "correct horse").await.code();
        // The session of one host at the other, and at another tenant.
        let session = browser.cookie(crate::browser::SESSION);
        let silent = ask.clone().with("prompt", "none");
        browser.get(&silent.target()).await.code();
        there.set_cookie(crate::browser::SESSION, &session);
        there
            .get(&silent.target())
            .await
            .misused("login_required", "Login required");
        let mut globex = site.browser().at("globex.test");
        globex.set_cookie(crate::browser::SESSION, &session);
        let at_globex = site.ask(GLOBEX_WEB).with("prompt", "none");
        globex
            .get(&at_globex.target())
            .await
            .misused("login_required", "Login required");
        browser.get(&silent.target()).await.code();
        Ok(())
    })
    .await
}

/// CVE-2026-55670: whoever makes a tenant, an application and users of the same names has nothing of those before.
#[tokio::test]
async fn attack_32_a_tenant_that_takes_over_a_name_takes_over_nothing_else() -> Result<()> {
    let name_ = "hosts::attack_32_a_tenant_that_takes_over_a_name_takes_over_nothing_else";
    on_both(name_, async |opened| {
        let site = Site::on(opened);
        let (web, ask) = (site.client(WEB), site.ask(WEB));
        let mut browser = site.browser();
        let refresh = site.refresh_token(WEB, ORDERS).await;
        let opaque = site.tokens(WEB, "", "openid").await.text("access_token");
        let code = browser.authorize(&ask, "ada").await.code();
        site.userinfo(HOST, &opaque).await.good();
        site.edit(|world, _| world.tenants[0].uid = name("uid-of-the-next-tenant"));

        let successor = site.client(WEB);
        assert_ne!(web.id, successor.id);
        for client in [&web, &successor] {
            let reply = site.redeem(client, &ask, &code).await;
            assert!(matches!(reply.status, 401 | 403), "{reply:?}");
            let reply = site.refresh(client, &refresh).await;
            assert!(matches!(reply.status, 401 | 403), "{reply:?}");
        }
        site.userinfo(HOST, &opaque)
            .await
            .refused(401, "invalid_token", "");
        let reply = browser.get(&ask.target()).await;
        reply.failed(400, "unknown-application");
        let silent = site.ask(WEB).with("prompt", "none");
        browser
            .get(&silent.target())
            .await
            .misused("login_required", "Login required");
        Ok(())
    })
    .await
}
