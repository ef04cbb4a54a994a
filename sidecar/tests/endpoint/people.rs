//! Users of a provider, after they signed in: what ends with their connection, and who has their name.

use anyhow::Result;
use mintage_core::bundle::KeyringFile;
use mintage_core::endpoint::Master;
use mintage_core::keyring::Owner;
use mintage_core::world::Source;
use mintage_sidecar::endpoint::{Made, Realm};

use crate::cluster::endpoint::{ASSIGNED, SPA, WEB, told, with_endpoints};
use crate::cluster::{ACME, Cluster, NOW, name};
use crate::idp::Idp;
use crate::reply::Reply;
use crate::site::{HOST, Site};
use crate::stores::on_both;
use crate::visits::with_provider;

/// What a user of a provider has after signing in: the browser, and the tokens of an application.
async fn tokens(site: &Site, idp: &Idp, subject: &str) -> Reply {
    let scope = "openid profile email offline_access";
    let ask = site
        .ask(WEB)
        .with("connection", "corp")
        .with("scope", scope);
    let mut browser = site.browser();
    let there = browser.get(&ask.target()).await;
    let reply = browser.get(&idp.sign_in(there.location(), subject)).await;
    site.redeem(&site.client(WEB), &ask, &reply.code())
        .await
        .good()
}

#[tokio::test]
async fn attack_26_users_of_a_connection_that_is_gone_get_nothing() -> Result<()> {
    let name = "people::attack_26_users_of_a_connection_that_is_gone_get_nothing";
    on_both(name, async |opened| {
        let (site, idp) = with_provider(opened).await;
        let (web, ask) = (site.client(WEB), site.ask(WEB).with("connection", "corp"));
        let silent = ask.clone().with("prompt", "none");
        let mut browser = site.browser();
        let there = browser.get(&ask.target()).await;
        browser
            .get(&idp.sign_in(there.location(), "1"))
            .await
            .code();
        let code = browser.get(&silent.target()).await.code();
        let first = tokens(&site, &idp, "1").await;
        let (access, refresh) = (first.text("access_token"), first.text("refresh_token"));
        site.userinfo(HOST, &access).await.good();
        // On the way when it goes.
        let mut late = site.browser();
        let there = late.get(&ask.target()).await;
        let late_answer = idp.sign_in(there.location(), "2");

        let removed = std::cell::RefCell::new(None);
        site.edit_connections(|all| *removed.borrow_mut() = all.pop());
        let reply = site.redeem(&web, &ask, &code).await;
        reply.refused(403, "invalid_grant", "The user is blocked or gone");
        let reply = site.refresh(&web, &refresh).await;
        reply.refused(403, "invalid_grant", "The user is blocked or gone");
        site.userinfo(HOST, &access)
            .await
            .refused(401, "invalid_token", "");
        browser
            .get(&silent.target())
            .await
            .misused("login_required", "");
        late.get(&late_answer).await.failed(400, "no-connection");
        assert_eq!(idp.asked("/token"), 2);
        // It comes back, and what was revoked stays so.
        site.edit_connections(|all| all.extend(removed.borrow_mut().take()));
        site.userinfo(HOST, &access).await.good();
        let reply = site.refresh(&web, &refresh).await;
        reply.refused(403, "invalid_grant", "Unknown or invalid refresh token.");
        Ok(())
    })
    .await
}

/// Another provider under the same name may call somebody else the same.
#[tokio::test]
async fn attack_43_a_name_at_another_provider_is_another_person() -> Result<()> {
    let name = "people::attack_43_a_name_at_another_provider_is_another_person";
    on_both(name, async |opened| {
        let (site, idp) = with_provider(opened).await;
        let web = site.client(WEB);
        // Somebody else's application is asked about, and allowed.
        let ask = site.ask(SPA).with("connection", "corp");
        let mut browser = site.browser();
        let there = browser.get(&ask.target()).await;
        let page = browser.get(&idp.sign_in(there.location(), "1")).await;
        assert!(page.asks_for_consent(), "{page:?}");
        browser.submit(&page, &[("decision", "yes")]).await.code();
        let silent = ask.clone().with("prompt", "none");
        browser.get(&silent.target()).await.code();
        let first = tokens(&site, &idp, "1").await;
        let access = first.text("access_token");
        site.userinfo(HOST, &access).await.good();

        let other = Idp::start().await;
        site.edit_connections(|all| all[1] = other.connection("corp"));
        site.userinfo(HOST, &access)
            .await
            .refused(401, "invalid_token", "");
        browser
            .get(&silent.target())
            .await
            .misused("login_required", "");
        // And once the other has signed in, nothing of the first is theirs.
        site.clock.set(NOW + 10);
        let second = tokens(&site, &other, "1").await;
        site.userinfo(HOST, &access)
            .await
            .refused(401, "invalid_token", "");
        browser
            .get(&silent.target())
            .await
            .misused("login_required", "");
        let reply = site.refresh(&web, &first.text("refresh_token")).await;
        reply.refused(403, "invalid_grant", "Unknown or invalid refresh token.");
        site.userinfo(HOST, &second.text("access_token"))
            .await
            .good();
        site.refresh(&web, &second.text("refresh_token"))
            .await
            .good();
        let mut browser = site.browser();
        let there = browser.get(&ask.target()).await;
        let page = browser.get(&other.sign_in(there.location(), "1")).await;
        assert!(
            page.asks_for_consent(),
            "the consent was another's: {page:?}"
        );
        Ok(())
    })
    .await
}

/// An address of an account elsewhere opens no account here.
#[tokio::test]
async fn attack_43_an_email_address_is_nobodys_name() -> Result<()> {
    let name = "people::attack_43_an_email_address_is_nobodys_name";
    on_both(name, async |opened| {
        let (site, idp) = with_provider(opened).await;
        idp.edit(|script| drop(script.claims.insert("email", "ada@acme.test".into())));
        let ask = site
            .ask(WEB)
            .with("connection", "corp")
            .with("audience", ASSIGNED);
        let ask = ask.with("scope", "openid email read");
        let mut browser = site.browser();
        let there = browser.get(&ask.target()).await;
        // Not even one who calls themselves as the entry is called.
        let reply = browser.get(&idp.sign_in(there.location(), "ada")).await;
        let tokens = site
            .redeem(&site.client(WEB), &ask, &reply.code())
            .await
            .good();
        let claims = crate::cluster::Forge::of(&tokens.text("access_token")).claims;
        assert_eq!(claims["sub"], "corp|ada");
        assert_eq!(claims["permissions"], serde_json::json!([]), "{claims:?}");
        assert_eq!(claims["scope"], "openid email");
        Ok(())
    })
    .await
}

#[test]
fn a_secret_that_is_missing_or_strange_is_complained_about_and_not_shown() {
    let made = |secret: Option<&[u8]>, issuer: Option<&str>| -> Made {
        let mut cluster = Cluster::new(with_endpoints());
        let mut told = told(&mut cluster, ACME, NOW);
        let wishes = std::sync::Arc::make_mut(&mut told.body.login);
        wishes.connections = vec![mintage_core::world::Connection {
            name: name("corp"),
            label: None,
            source: Source::Oidc {
                issuer: issuer.unwrap_or("https://id.test").to_owned(),
                client_id: "acme".to_owned(),
                client_secret: Some(name("corp.oidc")),
                scopes: Vec::new(),
            },
        }];
        let keyring = KeyringFile::new(Owner::tenant(told.body.tenant.clone()));
        let entries = secret.map(|bytes| [("client_secret".to_owned(), bytes.to_vec())].into());
        Realm::make(told, Master::new([7; 32]), &keyring, |_| entries.clone()).unwrap()
    };
    let good = made(Some(b"s3cret\n"), None);
    assert_eq!(good.complaints, []);
    let shown = format!("{:?}", good.realm);
    assert!(shown.contains("ClientSecret(…)") && !shown.contains("s3cret"));
    for (secret, issuer, complaint) in [
        (
            None,
            None,
            "connection corp: Secret identity/corp.oidc is not there; nobody signs in by it",
        ),
        (
            Some(&b""[..]),
            None,
            "connection corp: Secret identity/corp.oidc has another entry",
        ),
        (
            Some(b"s3cret\x00"),
            None,
            "connection corp: Secret identity/corp.oidc has another entry",
        ),
        (
            Some(b"s3cret"),
            Some("http://id.test"),
            "connection corp: its issuer http://id.test has to be https",
        ),
        (
            Some(b"s3cret"),
            Some("https://id.test/.well-known/openid-configuration"),
            "connection corp: its issuer is the address of a discovery document; write what stands before that: https://id.test; nobody signs in",
        ),
    ] {
        let made = made(secret, issuer);
        let [found] = made.complaints.as_slice() else {
            panic!("{:?}", made.complaints)
        };
        let found = found.to_string();
        assert!(found.starts_with(complaint), "{found}");
        assert!(!found.contains("s3cret"), "{found}");
    }
}
